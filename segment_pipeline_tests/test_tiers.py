"""The fast tier starts nothing heavy, and where everything is required nothing is skipped: both said by running pytest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from segment_pipeline_tests import tiers
from segment_pipeline_tests.sandbox import source_world

ROOT = Path(__file__).parent.parent
STARTS = {
    "spark": ["/usr/bin/java", "-version"],
    "dagster": [sys.executable, "-m", "dagster._daemon", "run"],
    "dagster ": [sys.executable, "-m", "segment_pipeline.cli", "ui", "--home", "nowhere"],
    "dagster  ": [".venv/bin/dagster-webserver"],
    "demo": ["segment-pipeline", "demo"],
    "browser": ["/usr/bin/chromium", "--headless"],
    "database": ["/venv/pginstall/bin/pg_ctl", "start"],
    "browser ": ["/venv/playwright/driver/node", "cli.js"],
}


@pytest.mark.parametrize("mark", STARTS)
def test_a_test_of_the_fast_tier_that_starts_something_heavy_fails_there(mark: str) -> None:
    with pytest.raises(AssertionError, match=f"not marked {mark.strip()} starts"):
        subprocess.Popen(STARTS[mark])


def test_what_is_light_may_be_started() -> None:
    assert subprocess.run([sys.executable, "-c", "print('demo')"], capture_output=True, check=True).stdout == b"demo\n"
    assert tiers.wanted(["segment-pipeline", "--home", "/tmp/demo", "tables"]) == set()


def test_the_fast_tier_is_every_test_without_a_heavy_mark() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^test-fast:.*\n\t.*-m fast ", makefile, re.MULTILINE)
    assert not re.search(r"^test:.*\n\t.* -m (?!pytest)", makefile, re.MULTILINE), "the gate runs all"


def collected(*options: str) -> set[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-header", *options]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {line for line in said.splitlines() if "::" in line}


def test_marks_reach_the_tests_that_need_them_by_way_of_fixtures_and_other_marks() -> None:
    rooms = ["segment_pipeline_tests/audiences/test_keys.py", "segment_pipeline_tests/engines/test_odd_rows.py"]
    fast, on_spark = collected("-m", "fast", *rooms), collected("-m", "spark", *rooms)
    assert {test.partition("::")[0] for test in fast} == {rooms[0]}, "every test of the other asks both engines"
    assert rooms[0] in {test.partition("::")[0] for test in on_spark}, "some of its statements are asked of both"
    assert not fast & on_spark


def test_the_room_of_both_engines_is_one_workers_and_every_other_file_one_unit() -> None:
    engines = "segment_pipeline_tests/engines"
    assert {tiers.unit_of(f"{engines}/{name}.py::test_a[x::y]") for name in ("test_models", "test_odd_rows")} == {
        "engines"
    }
    for file in (f"{engines}/test_cluster.py", "segment_pipeline_tests/lake/test_lake.py"):
        assert tiers.unit_of(f"{file}::test_a") == file


SKIPS = """
import pytest
from segment_pipeline_tests.sandbox.source_world import vendor_schema

def test_schema():
    assert vendor_schema("a.json").read_text() == "{}"

def test_other():
    pytest.skip("no chromium")

@pytest.mark.xfail
def test_known():
    raise ValueError
"""


@pytest.mark.parametrize(
    ("variables", "outcomes"),
    [
        ({}, "2 skipped, 1 xfailed"),
        ({"REQUIRE_ALL": "1"}, "1 failed, 1 skipped, 1 xfailed"),
        ({"REQUIRE_ALL": "1", "SEGMENT_PIPELINE_VENDOR_SPECS": "<specs>"}, "1 failed, 1 passed, 1 xfailed"),
        ({"SEGMENT_PIPELINE_VENDOR_SPECS": "<other>"}, "1 failed, 1 skipped, 1 xfailed"),
    ],
)
def test_nothing_is_skipped_but_what_needs_vendors_schemas(
    tmp_path: Path, variables: dict[str, str], outcomes: str
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.json").write_text("{}")
    (tmp_path / "test_skips.py").write_text(SKIPS)
    given = {name: value.replace("<specs>", str(tmp_path / "specs")) for name, value in variables.items()}
    environ = {k: v for k, v in os.environ.items() if k not in ("REQUIRE_ALL", "SEGMENT_PIPELINE_VENDOR_SPECS")} | given
    command = [sys.executable, "-m", "pytest", "-p", "segment_pipeline_tests.tiers", "-p", "no:cacheprovider", "-rs"]
    said = subprocess.run(
        [*command, "--no-fold-skipped", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    assert outcomes in said, said
    assert ("test_skips.py::test_schema - " in said) == ("SEGMENT_PIPELINE_VENDOR_SPECS" not in given), (
        "named at the end"
    )


def test_without_a_folder_of_schemas_the_reason_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGMENT_PIPELINE_VENDOR_SPECS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="SEGMENT_PIPELINE_VENDOR_SPECS names no folder.*: x.json is one"):
        source_world.vendor_schema("x.json")
