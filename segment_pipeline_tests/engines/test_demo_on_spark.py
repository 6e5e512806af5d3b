"""The demo through Dagster with the one setting changed: the same tables."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables
from segment_pipeline_tests.conftest import FEW_ROWS, run_cli
from segment_pipeline_tests.engines.both import compare

# When a thing was done, in which run, and from which versions: of the run, not of the rows.
OF_THE_RUN = {"finished_at", "run_id", "inputs", "requests", "since", "refreshed_at"}
SPARK = {
    "SEGMENT_PIPELINE_ENGINE": "spark",
    "SEGMENT_PIPELINE_SPARK_CONF": ";".join(f"{key}={value}" for key, value in FEW_ROWS.items()),
}


def demo(home: Path, variables: Mapping[str, str]) -> None:
    # In one day so few people buy that a tool's minimum holds an audience: the demo says so and ends with 1.
    run_cli("demo", "--home", str(home), "--households", "300", "--days", "1", code=1, variables=variables)


def content(home: Path, name: str) -> pa.Table:
    lake = Lake(str(home / "lake"), DuckDBEngine(memory="1GB"))
    with lake.session() as session:
        session.scan(name)
        rows = session.table(f"SELECT * FROM {name}")
    return rows.select([column for column in rows.column_names if column not in OF_THE_RUN])


@pytest.mark.timeout(1200)
def test_the_demo_on_spark_gives_the_tables_of_duckdb(tmp_path: Path) -> None:
    one, other = tmp_path / "duckdb", tmp_path / "spark"
    demo(one, {})
    demo(other, SPARK)
    for table in all_tables():
        compare(content(one, table.name), content(other, table.name), table.name)
