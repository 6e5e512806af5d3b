"""The demo through Dagster with the one setting changed: the same tables."""

from pathlib import Path

import pyarrow as pa

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables, table
from segment_pipeline_tests.conftest import MANY_STATEMENTS, run_cli
from segment_pipeline_tests.engines.both import compare

# When a thing was done, in which run, from which versions, and what the tool called it: of the run, not of the rows.
OF_THE_RUN = {"finished_at", "run_id", "inputs", "since", "refreshed_at", "vendor_id"}
FEW = ("--households", "20", "--days", "1")
SPARK = {
    "SEGMENT_PIPELINE_ENGINE": "spark",
    "SEGMENT_PIPELINE_SPARK_CONF": ";".join(f"{key}={value}" for key, value in MANY_STATEMENTS.items()),
}


def content(home: Path, name: str) -> pa.Table:
    columns = ", ".join(column for column in table(name).names if column not in OF_THE_RUN)
    with Lake(str(home / "lake"), DuckDBEngine(memory="1GB")).session() as session:
        session.scan(name)
        return session.table(f"SELECT {columns} FROM {name}")


def test_the_demo_on_spark_gives_the_tables_of_duckdb(tmp_path: Path) -> None:
    one, other = tmp_path / "duckdb", tmp_path / "spark"
    run_cli("demo", "--home", str(one), *FEW, code=1)
    run_cli("demo", "--home", str(other), *FEW, code=1, variables=SPARK)
    for declared in all_tables():
        compare(content(one, declared.name), content(other, declared.name), declared.name)
