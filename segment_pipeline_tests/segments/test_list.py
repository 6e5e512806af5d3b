"""`segments list`: sizes of a day, what is wrong with a segment wherever the lake stands, and a word where nothing was evaluated."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from segment_pipeline.cli import cli
from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.conftest import Rows

Listed = Callable[..., Result]
D = date(2017, 12, 31)
CATALOGUE = """
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.segments.rules import Segment, trait

def s(name, where):
    return Segment(name, owner="team:crm", goal="orders", description="d", where=where)

OURS = Catalogue(sources=(), destinations=(), segments=(s("regulars", trait("orders_total") > 1), s("odd", trait("oders_total") > 1)))
"""


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listed:
    name = f"ours_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(CATALOGUE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", f"{name}:OURS")
    monkeypatch.setenv("SEGMENT_PIPELINE_HOME", str(tmp_path))
    return lambda *more: CliRunner().invoke(cli, ["segments", "list", *more])


@pytest.mark.parametrize(
    ("more", "said"),
    [((), "has no segments evaluated yet: run the refresh job"), (("--as-of", "2017-12-31"), "no segment was evaluated as of 2017-12-31: run")],
)  # fmt: skip
def test_before_anything_was_evaluated_what_is_wrong_is_shown(listed: Listed, more: tuple[str, ...], said: str) -> None:
    done = listed(*more)
    assert "did you mean" in done.stdout
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.exit_code == 1


def test_a_day_nobody_evaluated_is_said_to_be_one(listed: Listed, lake: Lake, put: Callable[[str, Rows], None]) -> None:
    put(
        "segment_sizes",
        [{"as_of": D, "segment": "regulars", "size": 7341, "definition_hash": "h", "population": 9000, "inputs": "{}"}],
    )
    assert "7341" in listed().stdout
    done = listed("--as-of", "2016-02-29")
    assert "no segment was evaluated as of 2016-02-29: the newest day is 2017-12-31" in done.stderr
    assert done.exit_code == 1


def test_a_home_without_a_name_is_not_the_working_folder() -> None:
    done = CliRunner().invoke(cli, ["--home", "", "segments", "list"])
    assert done.exit_code == 2
    assert "names no folder: leave it out for the usual one" in done.stderr
