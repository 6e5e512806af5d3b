"""What a command that only looks imports: each of these libraries takes longer than the look itself."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.profiles.traits.sets import core_digest
from segment_pipeline_tests.conftest import arrow_rows

pytestmark = pytest.mark.processes

D = date(2017, 12, 31)
HEAVY = ("dagster", "pandas", "scipy", "requests", "tenacity", "pyrate_limiter", "pyspark")
LEDGER = "sqlalchemy"
START = f"""
import atexit, sys
from segment_pipeline.cli import main
atexit.register(lambda: print("imported", *(name for name in {(*HEAVY, LEDGER)!r} if name in sys.modules)))
main()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose lake has one person of one day."""
    home = tmp_path_factory.mktemp("home")
    lake = Lake(str(home / "lake"), DuckDBEngine(memory="500MB", threads=1, spill=home / "spill"))
    one = {"as_of": D, "profile_id": "a" * 32}
    rows = {
        "traits": one | {"orders_total": 3, "value_tier": "top", "definition_hash": core_digest(TraitRules())},
        "segment_sizes": {"as_of": D, "segment": "vip", "definition_hash": "h", "size": 1, "population": 1, "inputs": ""},
    }  # fmt: skip
    for name, row in rows.items():
        with lake.session() as session:
            session.register("literal_rows", arrow_rows(name, [row]))
            session.replace(name, "SELECT * FROM literal_rows", {"as_of": [D]})
    return home


@pytest.mark.parametrize(
    ("arguments", "also"),
    [
        (("segments", "list"), ()),
        (("segments", "preview", "vip"), ()),
        (("segments", "explain", "vip", "--profile", "a" * 32), ()),
        (("traits",), ()),
        (("tables",), ()),
        (("validate",), (LEDGER,)),
    ],
)
def test_a_command_that_looks_imports_nothing_that_sends_computes_or_schedules(
    home: Path, arguments: tuple[str, ...], also: tuple[str, ...]
) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENT_PIPELINE_")}
    environ |= {
        "SEGMENT_PIPELINE_HOME": str(home),
        "SEGMENT_PIPELINE_CATALOGUE": "segment_pipeline.starter.company:STARTER",
        "SEGMENT_PIPELINE_SOURCES": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", START, *arguments], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    *_, last = done.stdout.splitlines()
    assert "Traceback" not in done.stderr
    if arguments[0] != "validate":  # which names the secrets that are not there
        assert done.returncode == 0, done.stderr
    assert last.split() == ["imported", *also]


def test_a_schedule_that_is_no_time_of_each_day_is_asked_of_dagster(home: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENT_PIPELINE_")}
    for cron, said in (("0 25 * * *", True), ("*/7 3 * * mon", False), ("0 3 * *", True), ("60 3 * * *", True)):
        environ |= {"SEGMENT_PIPELINE_HOME": str(home), "SEGMENT_PIPELINE_CRON": cron}
        environ |= {"SEGMENT_PIPELINE_CATALOGUE": "segment_pipeline.starter.company:STARTER"}
        done = subprocess.run(
            [sys.executable, "-c", START, "validate"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ("SEGMENT_PIPELINE_CRON is no schedule" in done.stderr) is said, (cron, done.stderr)
