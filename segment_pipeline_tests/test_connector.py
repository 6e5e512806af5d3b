"""What a connector says of itself is said once, and nothing of it needs Dagster, a secret or a network."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import segment_pipeline
from segment_pipeline.connector import About, ConnectorKind, address, fields_of, require, secret, value
from segment_pipeline.errors import ConfigError

PACKAGE = Path(segment_pipeline.__file__).parent
# A webhook is anybody's, and a word of the house.
VENDORS = sorted(
    folder.name
    for folder in (PACKAGE / "sandbox/vendors").iterdir()
    if (folder / "vendor.py").exists() and folder.name != "webhook"
)
# A vendor's own files, the upload forms of each platform, the demo's company and its world, and the papers, whose reference
# lists them all.
ROOMS = ("starter", "sandbox/world", "docs", "destinations/files", *(f"{room}/{name}" for room in ("sources", "destinations", "sandbox/vendors") for name in VENDORS))  # fmt: skip
NAMED = re.compile(rf"(?:(?<![A-Za-z])|(?=[A-Z]))(?i:({'|'.join(VENDORS)})(?!-?data|var))(?![a-z])")


@dataclass(frozen=True, kw_only=True)
class Till:
    about: ClassVar[About] = About(ConnectorKind.SOURCE, "Till", "receipts")
    name: str = "till"
    token: str = secret("TILL_TOKEN", "token of the till")
    proof: str = secret("TILL_PROOF", "second factor", optional=True)
    base_url: str = address("TILL_BASE_URL", "https://till.example")


def test_a_secret_is_read_when_it_is_used_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    till = Till()
    monkeypatch.setenv("TILL_TOKEN", "quiet-please")
    assert value(till, "token") == "quiet-please"
    assert value(Till(token="handed-in"), "token") == "handed-in"
    assert "handed-in" not in repr(Till(token="handed-in"))


def test_a_missing_secret_names_its_variable_and_the_way_to_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TILL_TOKEN", raising=False)
    with pytest.raises(
        ConfigError, match="TILL_TOKEN is not set and the source till needs it.*SEGMENT_PIPELINE_SOURCES"
    ):
        require(Till())
    assert value(Till(), "proof") == "", "an optional one is empty"


def test_an_address_is_moved_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert value(Till(), "base_url") == "https://till.example"
    monkeypatch.setenv("TILL_BASE_URL", "http://127.0.0.1:1/till")
    assert value(Till(), "base_url") == "http://127.0.0.1:1/till"


def test_what_is_read_from_the_environment_is_listed_in_order() -> None:
    assert [held.name for held in fields_of(Till).values()] == ["TILL_TOKEN", "TILL_PROOF", "TILL_BASE_URL"]


def vendors_named(text: str) -> list[str]:
    # Python's own type of that name is no vendor.
    return [found.lower() for found in NAMED.findall(re.sub(r"\bIterable\b", "", text))]


def test_nothing_outside_a_vendors_own_files_names_a_vendor() -> None:
    rooms = [PACKAGE / room for room in ROOMS]
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and not set(path.parents) & set(rooms)]
    texts = {path: path.read_text() for path in files if path.suffix not in {".pyc", ".pyi"}}
    assert len(texts) > 200
    assert {str(path): named for path, text in texts.items() if (named := vendors_named(text))} == {}


def test_a_vendor_is_found_in_any_word_it_is_part_of() -> None:
    assert {"klaviyo", "meta", "square"} <= set(VENDORS)
    assert vendors_named('destination == "meta" or KLAVIYO_API_KEY or source_square') == ["meta", "klaviyo", "square"]
    assert vendors_named("KlaviyoLists, to_meta, OurShopify") == ["klaviyo", "meta", "shopify"]
    assert vendors_named("metadata, /latest/meta-data, metavar, squared") == []
