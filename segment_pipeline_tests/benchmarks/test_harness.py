"""The harness on a tiny company: every stage works, gives the rows of its query by hand, and is measured in a process of its own."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from segment_pipeline_tests.benchmarks.__main__ import environment, main, measure
from segment_pipeline_tests.benchmarks.company import Company, company_of
from segment_pipeline_tests.benchmarks.measure import Measured, StageFailedError, end, family, measured, stat
from segment_pipeline_tests.benchmarks.odd_stages import DIFFERS, FAILS
from segment_pipeline_tests.benchmarks.report import Result, growth
from segment_pipeline_tests.benchmarks.stage import Stage, all_stages, of_module

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    # Not in pytest's folder, which is root's alone where root runs the tests: a stage's PostgreSQL is a user of its own then.
    with TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def borrowed(data: Path) -> Iterator[Company]:
    company = company_of(data / "tiny", "tiny")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(company, "duckdb", "1GB").items():
            patch.setenv(name, value)
        yield company.borrowed(data / "borrowed")


@pytest.mark.parametrize("stage", all_stages(), ids=lambda stage: stage.name)
def test_a_stage_gives_the_rows_of_its_query_by_hand(stage: Stage, borrowed: Company) -> None:
    facts = {name: borrowed.lake.version(name) for name in borrowed.rows}
    stage.prepare(borrowed)
    rows = stage.run(borrowed)
    assert rows > 0
    if stage.by_hand:
        assert stage.by_hand(borrowed) == rows
    assert {name: borrowed.lake.version(name) for name in borrowed.rows} == facts, "a stage wrote to the facts"


def test_the_command_measures_and_tells(data: Path, borrowed: Company) -> None:
    file = data / "figures.jsonl"
    arguments = ["--data", str(data), "--sizes", "tiny", "--stages", "sum-*", "--json", str(file)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "sum-by-day" in result.output
    told, measured_one = (json.loads(line) for line in file.read_text().splitlines())
    assert {"processor", "cores", "memory_gb", "duckdb"} <= told["machine"].keys()
    assert measured_one["stage"] == "sum-by-day"
    assert measured_one["rows"] == borrowed.rows["orders"]
    assert measured_one["peak_mb"] > 50
    assert measured_one["ratio"] == pytest.approx(measured_one["seconds"] / measured_one["by_hand_seconds"], abs=0.01)
    assert not list(data.glob("work-*"))


def test_the_readmes_command_works_as_it_stands(tmp_path: Path) -> None:
    """`make bench` in a folder of its own, with every default but the size and the stages: its data is then a relative path."""
    root = Path(__file__).parents[2]
    assert "$ make bench " in (root / "README.md").read_text()
    said = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "bench"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    _, module, name, *rest = shlex.split(said.splitlines()[-1])
    assert (module, name, rest) == ("-m", "segment_pipeline_tests.benchmarks", [])
    small = [sys.executable, module, name, "--sizes", "tiny", "--stages", "sum-*"]
    environ = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(small, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / ".bench" / "tiny" / "complete").exists()


def test_a_stage_or_size_nobody_knows_is_named(data: Path) -> None:
    for arguments, said in ((["--stages", "nap"], "nap"), (["--sizes", "7M"], "7M")):
        result = CliRunner().invoke(main, ["--data", str(data), *arguments])
        assert result.exit_code == 1
        assert said in result.output


def test_a_stage_that_fails_says_why(borrowed: Company) -> None:
    environ = environment(borrowed, "duckdb", "1GB")
    with pytest.raises(StageFailedError, match="out of luck"):
        measured(FAILS, "run", borrowed.root, environ, timeout=60)


def test_a_stage_that_takes_too_long_is_ended(borrowed: Company) -> None:
    with pytest.raises(StageFailedError, match=r"not done after 0\.2 s"):
        measured(FAILS, "run", borrowed.root, environment(borrowed, "duckdb", "1GB"), timeout=0.2)


def test_what_is_ended_leaves_nothing_it_started() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 300 & sleep 300"]) as shell:
        while len(started := family(shell.pid)) < 3:
            time.sleep(0.01)
        end(shell.pid)
    until = time.monotonic() + 10
    while alive := [pid for pid in started if stat(pid)[:1] not in ([], ["Z"], ["X"])]:
        assert time.monotonic() < until, alive
        time.sleep(0.01)


def test_other_rows_by_hand_are_a_failure_and_no_ratio(borrowed: Company) -> None:
    result = measure(DIFFERS, "tiny", borrowed, environment(borrowed, "duckdb", "1GB"))
    assert result.failure == "1 rows, by hand 2"
    assert "ratio" not in result.record()


def test_growth_is_the_exponent() -> None:
    def result(profiles: int, seconds: float) -> Result:
        return Result("s", "", profiles, "duckdb", Measured(1, seconds, 1.0, 1))

    assert growth([result(100, 1.0), result(1000, 10.0), result(10_000, 100.0)]) == {"s": 1.0}
    assert growth([result(100, 1.0), result(10_000, 100.0**1.5)]) == {"s": 1.5}
    assert growth([result(100, 1.0)]) == {}


@pytest.mark.parametrize("stage", all_stages(), ids=lambda stage: stage.name)
def test_the_process_that_is_measured_finds_its_stage(stage: Stage) -> None:
    assert of_module(stage.module, stage.name) == stage
