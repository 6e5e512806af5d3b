"""A cluster of real processes: the day comes out the same, also when a worker dies in the middle of it."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.engines.both import compare
from segment_pipeline_tests.engines.cluster import cluster

LAST = date(2017, 12, 31)
DERIVED = ("identities", "traits", "trait_shares", "memberships", "segment_sizes", "membership_changes")
# Two executors with little memory each; a dead one is noticed at once, by its connection.
CONF = "spark.executor.memory=600m;spark.driver.host=127.0.0.1;spark.driver.bindAddress=127.0.0.1;spark.sql.shuffle.partitions=4"


def derived(home: Path) -> dict[str, pa.Table]:
    """The tables of the last day, but for the versions of what they were made from."""
    lake = Lake(str(home / "lake"), DuckDBEngine(memory="500MB"))
    found = {}
    with lake.session() as session:
        for name in DERIVED:
            session.scan(name, partitions={"as_of": [LAST]})
            chosen = "* EXCLUDE (inputs)" if name == "segment_sizes" else "*"
            found[name] = session.table(f"SELECT {chosen} FROM {name}")
    return found


def emptied(home: Path) -> None:
    """Take the last day's tables away, so that what is there afterwards was made anew."""
    lake = Lake(str(home / "lake"), DuckDBEngine(memory="500MB"))
    with lake.session() as session:
        for name in DERIVED:
            session.scan(name, partitions={"as_of": [LAST]})
            session.replace(name, f"SELECT * FROM {name} WHERE FALSE", {"as_of": [LAST]})


@pytest.mark.timeout(900)
def test_a_day_on_a_cluster_is_the_same_when_a_worker_is_killed_in_the_middle(demo_copy: Path, tmp_path: Path) -> None:
    expected = derived(demo_copy)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_"))}
    command = [sys.executable, "-m", "segment_pipeline_tests.engines.job", str(demo_copy)]
    on_duckdb = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=300)
    emptied(demo_copy)
    with cluster(tmp_path, workers=2) as spark:
        environ |= {
            "SEGMENT_PIPELINE_ENGINE": "spark", "SEGMENT_PIPELINE_SPARK_MASTER": spark.url, "SEGMENT_PIPELINE_MEMORY": "600MB",
            "SEGMENT_PIPELINE_SPARK_CONF": CONF, "PYSPARK_PYTHON": sys.executable,
        }  # fmt: skip
        errors = tmp_path / "driver.log"
        with (
            errors.open("w") as log,
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True) as job,
        ):
            assert job.stdout is not None
            said = []
            for line in job.stdout:
                said.append(line.strip())
                if line.startswith("traits"):
                    spark.kill("worker1")
        assert job.returncode == 0, errors.read_text()[-3000:]
    assert said[-1] == on_duckdb.stdout.splitlines()[-1]
    for name, rows in derived(demo_copy).items():
        compare(expected[name], rows, name)
    assert expected["memberships"].num_rows > 0
