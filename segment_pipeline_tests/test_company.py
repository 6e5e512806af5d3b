"""One place says which company this is, and commands and Dagster read the same of it, from any of its folders."""

import subprocess
import sys
from pathlib import Path

import pytest

from segment_pipeline.company import load
from segment_pipeline.environment import adopt
from segment_pipeline.errors import ConfigError

pytestmark = pytest.mark.processes

CATALOGUE = """
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.segments.rules import Segment, trait

OURS = Catalogue(
    sources=(), destinations=(),
    segments=(Segment("regulars", owner="team:crm", goal="orders", description="d", where=trait("orders_total") > 1),),
)
"""
ASKED = "from segment_pipeline.definitions import defs; print(sorted(s.key.path[1] for s in defs().resolve_all_asset_specs()))"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "our_company").mkdir()
    (tmp_path / "our_company" / "catalogue.py").write_text(CATALOGUE)
    (tmp_path / "our_company" / "reports").mkdir()
    says('catalogue = "our_company.catalogue:OURS"', tmp_path)
    return tmp_path


def says(line: str, folder: Path) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.segment-pipeline]\n{line}\n")


def run(folder: Path, *command: str, code: int = 0) -> str:
    """A process in a folder, with nothing set but the way to this package; its output, and what it said on standard error."""
    package = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env={"PYTHONPATH": package, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_commands_and_dagster_find_the_same_company_from_any_folder_of_it(repository: Path) -> None:
    for folder in (repository, repository / "our_company" / "reports"):
        assert "1 segments and 0 audiences: no mistakes" in run(folder, "-m", "segment_pipeline.cli", "validate")
        assert "['identities', 'regulars', 'traits']" in run(folder, "-c", ASKED)


def test_a_command_without_a_company_says_so_in_one_line(tmp_path: Path) -> None:
    said = run(tmp_path, "-m", "segment_pipeline.cli", "segments", "list", code=1)
    assert said.startswith(
        "error: no company is named: set SEGMENT_PIPELINE_CATALOGUE like our_company.catalogue:OURS, or say"
    )
    assert len(said.splitlines()) == 1


def test_what_is_set_wins_then_the_homes_file_then_the_companys(repository: Path) -> None:
    home = repository / "lake-of-ours"
    home.mkdir()
    (repository / ".env").write_text("A=company\nB=company\nC=company\nSEGMENT_PIPELINE_HOME=lake-of-ours\n")
    (home / "settings.env").write_text('# ours\nA=home\nB="home of ours"\n')
    environ = {"A": "set"}
    adopt(environ, start=repository / "our_company")
    assert environ == {
        "A": "set", "B": "home of ours", "C": "company", "SEGMENT_PIPELINE_HOME": str(home),
        "SEGMENT_PIPELINE_CATALOGUE": "our_company.catalogue:OURS",
    }  # fmt: skip


def test_without_a_company_the_home_is_one_of_the_working_folder(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    adopt(environ, start=tmp_path)
    assert environ == {"SEGMENT_PIPELINE_HOME": str(tmp_path / ".pipeline")}


def test_a_pyproject_that_is_no_toml_is_named(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("catalogue = ")
    with pytest.raises(ConfigError, match=r"pyproject\.toml is no readable TOML"):
        adopt({}, start=repository)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ours_{n}:OURS, which cannot be imported"),
        ("OURS = 1", "is ours_{n}:OURS, which is not a Catalogue"),
        ("import not_there_at_all", "needs the module not_there_at_all, which is not installed"),
        ("x = 1\nSegment()", "NameError at .*ours_{n}.py:2: name 'Segment' is not defined"),
        ("x = (1", r"SyntaxError at /.*ours_{n}.py:1: '\(' was never closed$"),
        ("\n  x = 1", r"IndentationError at /.*ours_{n}.py:2: unexpected indent$"),
        (
            "def f(): return date(2017, 2, 30)\nfrom datetime import date\n\nf()",
            "ValueError at /.*ours_{n}.py:1: day is out of range",
        ),
        ("raise KeyError('x')", "KeyError at /.*ours_{n}.py:1: 'x'"),
        ("import os\nos.nothing", "AttributeError at /.*ours_{n}.py:2: module 'os' has no"),
        ("import json\n\njson.loads('{')", "JSONDecodeError at /.*ours_{n}.py:3: Expecting"),
        ("raise ModuleNotFoundError('a\\nb')", "ModuleNotFoundError at /.*ours_{n}.py:1: a b$"),
        ("raise SystemExit('no')", "SystemExit at /.*ours_{n}.py:1: no"),
        (
            "\nimport not_there.at_all",
            r"needs the module not_there, which is not installed: /.*ours_{n}.py:2 imports it",
        ),
        ("OUR = 1", "cannot be imported: /.*ours_{n}.py has no OURS; set it like"),
        (
            "from segment_pipeline.catalogue import Catalogue\nOUR = Catalogue((), (), ())",
            "/.*ours_{n}.py has no OURS: did you mean OUR.; set it",
        ),
    ],
)
def test_a_catalogue_that_cannot_be_loaded_says_why_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, text: str, said: str
) -> None:
    n = abs(hash(request.node.name))
    (tmp_path / f"ours_{n}.py").write_text(text)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(ConfigError, match=said.replace("{n}", str(n))) as raised:
        load(f"ours_{n}:OURS")
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("reference", ["nothing", ":OURS", "a:", "..x:OURS", "our company:OURS"])
def test_what_is_no_reference_is_said_to_be_none(reference: str) -> None:
    with pytest.raises(ConfigError, match="which cannot be imported: set it like our_company.catalogue:OURS"):
        load(reference)


def test_a_module_that_is_not_there_is_no_catalogue() -> None:
    with pytest.raises(ConfigError, match="is nowhere.to_be_found:OURS, which cannot be imported"):
        load("nowhere.to_be_found:OURS")
