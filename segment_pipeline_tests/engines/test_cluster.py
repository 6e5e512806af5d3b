"""A cluster of real processes: the day comes out the same, also when a worker dies in the middle of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline_tests.conftest import MANY_STATEMENTS
from segment_pipeline_tests.engines.both import compare
from segment_pipeline_tests.engines.cluster import cluster, running
from segment_pipeline_tests.engines.conftest import settings_of
from segment_pipeline_tests.engines.job import planned

LAST = date(2017, 12, 31)
DERIVED = (
    "identities", "identity_events", "profiles", "profile_identifiers", "traits", "trait_shares",
    "memberships", "segment_sizes", "membership_changes",
)  # fmt: skip
CONF = MANY_STATEMENTS | {
    "spark.executor.memory": "600m",
    "spark.executor.extraJavaOptions": MANY_STATEMENTS["spark.driver.extraJavaOptions"],
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    # What a dead executor held is made again at once; asking for it three times would take 15 s each time.
    "spark.shuffle.io.maxRetries": "0",
}


def opened(home: Path) -> Lake:
    return Lake(str(home / "lake"), DuckDBEngine(memory="500MB"))


def of_the_day(name: str) -> dict[str, list[date]] | None:
    return {"as_of": [LAST]} if "as_of" in table(name).partition_by else None


def derived(home: Path) -> dict[str, pa.Table]:
    """The tables of the last day, but for the versions of what they were made from."""
    found = {}
    with opened(home).session() as session:
        for name in DERIVED:
            session.scan(name, partitions=of_the_day(name))
            columns = ", ".join(column for column in table(name).names if column != "inputs")
            found[name] = session.table(f"SELECT {columns} FROM {name}")
    return found


def emptied(home: Path, *names: str) -> None:
    """Take the last day's rows away, so that what is there afterwards was made anew."""
    with opened(home).session() as session:
        for name in names:
            session.scan(name, partitions=of_the_day(name))
            session.replace(name, f"SELECT * FROM {name} WHERE FALSE", of_the_day(name))


@pytest.mark.spark
@pytest.mark.kills
def test_a_day_on_a_cluster_is_the_same_when_a_worker_is_killed_in_the_middle(small_copy: Path, tmp_path: Path) -> None:
    (small_copy / "ledger.sqlite").unlink()
    for name in ("audience_members", "plan_rows"):
        shutil.rmtree(small_copy / "lake" / name)
    expected = derived(small_copy)
    with settings_of(small_copy) as settings:
        plan = planned(opened(small_copy), settings)
    emptied(small_copy, *DERIVED)
    with cluster(tmp_path, workers=2) as spark:
        said = run(small_copy, spark.url, tmp_path / "job.log", at_traits=lambda: spark.kill("worker1"))
        assert spark.processes["worker0"].poll() is None
    stages = {line["stage"]: line["executors"] for line in said[:-1]}
    [dead] = [name for name, executor in stages["segments"].items() if not executor["alive"]]
    [other] = stages["segments"].keys() - {dead}
    # Both worked, one was lost while traits were made, and the other did the rest.
    assert [stages["traits"][name]["alive"] for name in (dead, other)] == [1, 1]
    assert 0 < stages["traits"][dead]["done"] <= stages["end"][dead]["done"] == stages["segments"][dead]["done"]
    assert stages["segments"][other]["done"] < stages["audiences"][other]["done"] < stages["end"][other]["done"]
    assert said[-1] == plan
    assert plan["added"] > 0
    for name, rows in derived(small_copy).items():
        compare(expected[name], rows, name)
    assert expected["memberships"].num_rows > 0
    assert not running([process.pid for process in spark.processes.values()])


def run(home: Path, master: str, errors: Path, *, at_traits: Callable[[], None]) -> list[dict[str, Any]]:
    """The day's job as a driver process on a master; returns what it said. `at_traits`: called a moment after traits began."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_"))}
    environ |= {
        "SEGMENT_PIPELINE_ENGINE": "spark",
        "SEGMENT_PIPELINE_SPARK_MASTER": master,
        "SEGMENT_PIPELINE_SPARK_CONF": ";".join(f"{key}={value}" for key, value in CONF.items()),
        "SEGMENT_PIPELINE_MEMORY": "600MB",
        "PYSPARK_PYTHON": sys.executable,
    }
    command = [sys.executable, "-m", "segment_pipeline_tests.engines.job", str(home)]
    with errors.open("w") as log:
        job = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    try:
        assert job.stdout is not None
        said = []
        for line in job.stdout:
            said.append(json.loads(line))
            if said[-1].get("stage") == "traits":
                time.sleep(1)
                at_traits()
        assert job.wait() == 0, errors.read_text()[-3000:]
        return said
    finally:
        if job.stdout is not None:
            job.stdout.close()
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()
