"""The demo through Dagster on DuckDB and then on Spark, every table compared.

The parity suite compares the same statements one by one in less time; this shows that nothing between them differs either.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables, table
from segment_pipeline_tests.conftest import MANY_STATEMENTS, run_cli
from segment_pipeline_tests.engines.both import compare
from segment_pipeline_tests.prove.suite import Suite

# When a thing was done, in which run, from which versions, and what the tool called it: of the run, not of the rows.
OF_THE_RUN = {"finished_at", "run_id", "inputs", "since", "refreshed_at", "vendor_id"}
SPARK = {
    "SEGMENT_PIPELINE_ENGINE": "spark",
    "SEGMENT_PIPELINE_SPARK_CONF": ";".join(f"{key}={value}" for key, value in MANY_STATEMENTS.items()),
}
# Households, days, and the exit code of the demo: 1 where few people and days hold an audience.
SIZES = {"150x1": (150, 1, 1), "300x7": (300, 7, 1), "300x365": (300, 365, 0)}


def prove(size: str, folder: Path) -> int:
    """Returns the rows that were compared; where the demo ends with 0, its report must be the same too."""
    one, other = folder / "duckdb", folder / "spark"
    households, days, code = SIZES[size]
    asked = ("--households", str(households), "--days", str(days))
    for home, variables in ((one, None), (other, SPARK)):
        run_cli("demo", "--home", str(home), *asked, code=code, variables=variables, timeout=None)
    compared = 0
    for declared in all_tables():
        rows = content(one, declared.name)
        compare(rows, content(other, declared.name), declared.name)
        compared += rows.num_rows
    if code == 0:
        assert report(one) == report(other), "the reports differ"
    return compared


def report(home: Path) -> dict[str, Any]:
    """What the demo reports, but for how long it took."""
    found: dict[str, Any] = json.loads((home / "report.json").read_text())
    return {name: value for name, value in found.items() if name != "seconds"}


def content(home: Path, name: str) -> pa.Table:
    columns = ", ".join(column for column in table(name).names if column not in OF_THE_RUN)
    with Lake(str(home / "lake"), DuckDBEngine(memory="1GB")).session() as session:
        session.scan(name)
        return session.table(f"SELECT {columns} FROM {name}")


SUITE = Suite("The demo gives the same tables on Spark as on DuckDB.", tuple(SIZES), prove, units="rows", minutes=50)
