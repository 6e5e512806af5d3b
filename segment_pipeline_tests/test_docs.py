"""The papers say what the code does: the reference is generated, every command and setting named exists, every link leads somewhere."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.cli import cli
from segment_pipeline.commands.docs import SECTIONS
from segment_pipeline.connector import ConnectorKind
from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.reference import reference
from segment_pipeline.registry import known
from segment_pipeline.settings import SETTINGS, Settings
from segment_pipeline.starter.company import STARTER

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "segment_pipeline/docs"
TEMPLATE = ROOT / "segment_pipeline/init/template/README.md"
PAPERS = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), TEMPLATE]
README_LINES = 120


def text_of(paper: Path) -> str:
    return paper.read_text(encoding="utf-8")


def blocks(paper: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(paper), flags=re.DOTALL | re.MULTILINE)


def console_lines(paper: Path) -> Iterator[str]:
    for block in blocks(paper, "console"):
        for line in block.splitlines():
            yield line.removeprefix("$ ").partition("  #")[0].partition(" # ")[0].strip()


def test_the_reference_is_as_the_code_is() -> None:
    """`SEGMENT_PIPELINE_CATALOGUE=segment_pipeline.starter.company:STARTER segment-pipeline docs > segment_pipeline/docs/reference.md`"""
    assert text_of(DOCS / "reference.md") == "# Reference\n\n" + reference(cli, STARTER, SECTIONS)


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= README_LINES


def test_every_page_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\(segment_pipeline/docs/([\w-]+\.md)\)", text_of(ROOT / "README.md")))
    assert linked == {page.name for page in DOCS.glob("*.md")}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_link_leads_somewhere(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(paper))
    assert [link for link in links if not (paper.parent / link).exists()] == []


def resolved(words: list[str]) -> click.Command | str:
    """The command these words name, or what is wrong with them."""
    command: click.Command = cli
    for position, word in enumerate(words):
        if word.startswith("--"):
            return command if not isinstance(command, click.Group) else f"{word} before a command"
        if isinstance(command, click.Group):
            found = command.commands.get(word)
            if found is None:
                return f"there is no {' '.join(words[: position + 1])}"
            command = found
    return command


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_command_and_option_named_exists(paper: Path) -> None:
    """In console blocks, and in running text between backticks."""
    said = [line for line in console_lines(paper) if "segment-pipeline " in line and not line.startswith("pip ")]
    said += re.findall(r"`((?:\w+=\S+ )?segment-pipeline [a-z][^`]*)`", text_of(paper))
    for line in said:
        words = shlex.split(line.partition(" > ")[0].replace("[", "").replace("]", "").replace("…", ""))
        words = words[words.index("segment-pipeline") + 1 :]
        command = resolved(words)
        assert isinstance(command, click.Command), f"{line}: {command}"
        options = {option for parameter in command.params for option in parameter.opts}
        assert [w for w in words if w.startswith("--") and w.partition("=")[0] not in options] == [], line


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_make_target_named_exists(paper: Path) -> None:
    makefile = text_of(ROOT / "Makefile")
    for target in set(
        re.findall(r"make ([a-z-]+)", " ".join([*console_lines(paper), *re.findall(r"`[^`]*`", text_of(paper))]))
    ):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_setting_named_exists(paper: Path) -> None:
    # Of the tests, not of the package.
    known = {setting.variable for setting in SETTINGS} | {"SEGMENT_PIPELINE_VENDOR_SPECS"}
    assert set(re.findall(r"SEGMENT_PIPELINE_\w*[A-Z]", text_of(paper))) <= known


def test_the_segment_of_the_readme_is_one() -> None:
    (block,) = [block for block in blocks(ROOT / "README.md", "python") if "Segment(" in block]
    names: dict[str, object] = {}
    exec(compile(f"from segment_pipeline.segments.rules import *\n{block}", "README.md", "exec"), names)
    segment: Any = names["churned_runners"]
    assert Catalogue(sources=(), destinations=(), segments=(segment,)).problems() == []
    assert segment.name == STARTER.segment("churned_runners").name


README_SALES = """invoice;stock;qty;price;when;customer;mail
1;TEA;2;1,50;05/06/2017 09:30;ada;ada@example.com
1;CUP;1;4,00;05/06/2017 09:30;ada;ada@example.com
2;TEA;1;1,50;05/06/2017 10:00;;
"""


def test_the_source_of_the_readme_lands_what_it_says(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under sixty lines; three lines, two orders, one buyer and a guest."""
    (block,) = [block for block in blocks(ROOT / "README.md", "python") if "Files(" in block]
    assert len(block.splitlines()) < 60
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    (tmp_path / "exports").mkdir()
    written = tmp_path / "exports/sales-1.csv"
    written.write_text(README_SALES, encoding="cp1252")
    os.utime(written, (0, 0))
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env(
        {"SEGMENT_PIPELINE_HOME": str(tmp_path / "home"), "SEGMENT_PIPELINE_BASE_CURRENCY": "GBP"}
    )
    june = Window(date(2017, 6, 1), date(2017, 6, 30))
    report = ingest(lake, names["TILL"], "sales", june, settings, "run")
    assert (report.rows, report.quarantined) == ({"order_lines": 3, "orders": 2, "customers": 1}, {})
    with lake.session() as session:
        session.scan("orders")
        assert session.rows("SELECT order_key, customer_key, net FROM orders ORDER BY order_key") == [
            {"order_key": "1", "customer_key": "ada", "net": Decimal("7.0000")},
            {"order_key": "2", "customer_key": None, "net": Decimal("1.5000")},
        ]


CONNECTOR_LINES = 200


@pytest.fixture
def connectors(tmp_path: Path) -> Path:
    """A package of somebody else's with the guide's files, installed as far as an entry point goes."""
    for block in blocks(DOCS / "own-connector.md", "python"):
        name, text = block.partition("\n")[0].removeprefix("# "), block
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "our_connectors/__init__.py").touch()
    (entry_points,) = blocks(DOCS / "own-connector.md", "toml")
    installed = tmp_path / "our_connectors-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: our-connectors\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        entry_points.replace(
            '[project.entry-points."segment_pipeline.connectors"]', "[segment_pipeline.connectors]"
        ).replace('"', "")
    )
    (tmp_path / "tests/conftest.py").write_text((Path(__file__).parent / "other_side.py").read_text())
    return tmp_path


def in_folder(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_", "PYTEST_"))}
    environ["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False
    )


DESTINATIONS = [
    pytest.param(name, kind, id=name) for name, kind in known() if kind.about.kind is ConnectorKind.DESTINATION
]


@pytest.mark.parametrize(("name", "kind"), DESTINATIONS)
def test_each_destination_says_what_it_is_held_to_and_that_is_installed(name: str, kind: type[Any]) -> None:
    """The versions of SDKs that the table names are those the tests run with; a vendor's document they name, its suite reads."""
    oracle = kind.about.oracle
    assert oracle
    assert f"| `{name}` |" in text_of(DOCS / "reference.md").partition("## Destinations")[2].partition("## Traits")[0]
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for package, version in re.findall(r"([a-z]+(?:-[a-z]+)*) (\d+\.\d+\.\d+)", oracle):
        assert f"\n{package}=={version} " in locked, (package, version)
    suite = (ROOT / f"segment_pipeline_tests/destinations/test_{name}.py").read_text(encoding="utf-8")
    held = re.findall(r"^    (published|unpublished|no_sdk)\b.*=", suite, re.MULTILINE)
    assert ("published" in held) == ("OpenAPI" in oracle or "schema" in oracle)


@pytest.mark.parametrize("name", ["club", "postbox"])
def test_a_connector_is_one_file_of_less_than_two_hundred_lines(connectors: Path, name: str) -> None:
    assert len((connectors / f"our_connectors/{name}.py").read_text().splitlines()) < CONNECTOR_LINES


@pytest.mark.slow
def test_connectors_of_the_guide_pass_the_suites_and_are_known(connectors: Path) -> None:
    done = in_folder(connectors, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests")
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 30
    listed = in_folder(connectors, "-m", "segment_pipeline.cli", "docs", "connectors").stdout
    for row in (
        "| `club` | source | Club: members of the club | `CLUB_TOKEN` | `CLUB_BASE_URL` |",
        "| `postbox` | destination |",
    ):
        assert row in listed
