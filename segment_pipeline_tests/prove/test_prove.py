"""Suites of large counts: what they print, how they go on after an interruption, and that those there are load."""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from segment_pipeline_tests.benchmarks.measure import stat
from segment_pipeline_tests.prove import progress
from segment_pipeline_tests.prove.__main__ import spans
from segment_pipeline_tests.prove.progress import Outcome, Progress
from segment_pipeline_tests.prove.suite import names, suite
from segment_pipeline_tests.prove.suites import dagster_minors

pytestmark = pytest.mark.processes

LITERAL = "segment_pipeline_tests.prove.literal_suite"


class Prove:
    """The command on the literal suite. `tried`: the seeds it asked, in this order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "tried.txt"

    def start(self, *options: str, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "segment_pipeline_tests.prove", LITERAL, "--state", str(self.folder), *options]
        environ = os.environ | {"PROVE_TRIED": str(self.log)} | variables
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)

    def __call__(self, *options: str, code: int = 0, **variables: str) -> list[str]:
        with self.start(*options, **variables) as process:
            said, _ = process.communicate(timeout=300)
        assert process.returncode == code, said
        return said.splitlines()

    @property
    def tried(self) -> list[int]:
        return [int(seed) for seed in self.log.read_text().split()]


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    return Prove(tmp_path)


def test_count_and_seeds_are_printed_and_what_is_known_is_not_asked_again(prove: Prove) -> None:
    assert prove("--first", "2")[-1].startswith("literal_suite: 2 of 2 cases (0-1), 10 things, 0 failed, ")
    said = prove()
    assert said[0] == "literal_suite: 2 of 4 cases are known, going on"
    assert said[-1].startswith("literal_suite: 4 of 4 cases (0-3), 20 things, 0 failed, ")
    assert prove.tried == [0, 1, 2, 3]


def test_a_case_that_failed_is_named_with_what_it_said_and_tried_again(prove: Prove) -> None:
    said = prove(code=1, PROVE_FAILS="1 3")
    assert any(line.startswith("literal_suite: 4 of 4 cases (0-3), 10 things, 2 failed, ") for line in said)
    assert "literal_suite 3 failed, again: --only 3" in said
    assert "AssertionError: seed 3 breaks the property" in said
    assert prove("--only", "3")[-1].startswith("literal_suite: 1 of 1 cases (3), 5 things, 0 failed")
    assert prove(code=1, PROVE_FAILS="1")[0] == "literal_suite: 3 of 4 cases are known, going on"
    assert prove.tried == [0, 1, 2, 3, 3, 1]


def test_an_interrupted_run_leaves_nothing_behind_and_goes_on(prove: Prove) -> None:
    with prove.start(PROVE_HANGS="2") as process:
        pid = prove.log.with_suffix(".pid")
        while not (pid.exists() and pid.read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    until = time.monotonic() + 60
    # Killed, it may take a moment to end.
    while stat(int(pid.read_text()))[:1] not in ([], ["Z"], ["X"]):
        assert time.monotonic() < until, "what the case started goes on"
        time.sleep(0.05)
    assert prove()[0] == "literal_suite: 2 of 4 cases are known, going on"
    assert prove.tried == [0, 1, 2, 2, 3]


def test_cases_for_which_there_is_no_time_are_left_for_the_next_run(prove: Prove) -> None:
    said = prove("--minutes", "0", code=3)
    assert said[-1] == "literal_suite: 4 cases are left: run it again to go on"
    assert not prove.log.exists()


def test_what_was_found_with_other_code_or_cut_short_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "suite.jsonl"
    Progress.open(path).add(Outcome(7, 1, 0.5))
    with path.open("a") as file:
        file.write('{"case": 8, "tri')
    assert Progress.open(path).outcomes == {7: Outcome(7, 1, 0.5)}
    monkeypatch.setattr(progress, "code_digest", lambda: "of other code")
    assert Progress.open(path).outcomes == {}


def test_seeds_are_told_in_ranges() -> None:
    assert spans([3, 1, 2, 7, "1.12"]) == "1-3, 7, 1.12"
    assert spans([]) == "none"


@pytest.mark.parametrize("name", names())
def test_every_suite_says_what_it_shows(name: str) -> None:
    found = suite(name)
    assert found.what.endswith(".")
    assert len(set(found.cases)) == len(found.cases) > 0


def test_the_minors_of_dagster_we_say_we_run_on_are_the_ones_that_are_tested() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    [said] = [d.removeprefix("dagster") for d in project["dependencies"] if re.fullmatch(r"dagster[<>=].*", d)]
    minors = sorted({tuple(map(int, release.split(".")[:2])) for release in dagster_minors.RELEASES})
    first, (major, last) = ".".join(map(str, minors[0])), minors[-1]
    assert said == f">={first},<{major}.{last + 1}"
    assert f"dagster-webserver{said}" in project["dependencies"]
