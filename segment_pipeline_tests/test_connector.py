"""What a connector says of itself is said once, and nothing of it needs Dagster, a secret or a network."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from segment_pipeline.connector import About, ConnectorKind, address, fields_of, require, secret, value
from segment_pipeline.errors import ConfigError


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
