"""The demo through Dagster on DuckDB and then on Spark, every table compared: minutes for a few households, hours for a year of all.

    python -m segment_pipeline_tests.engines.demo_on_spark --households 20 --days 1

Ends with a list of the tables and their rows, or names the first that differs; where the demo ends with 0, its report must be the
same too. The parity suite compares the same statements one
by one in less time; this shows that nothing between them differs either.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables, table
from segment_pipeline_tests.conftest import MANY_STATEMENTS, run_cli
from segment_pipeline_tests.engines.both import compare

# When a thing was done, in which run, from which versions, and what the tool called it: of the run, not of the rows.
OF_THE_RUN = {"finished_at", "run_id", "inputs", "since", "refreshed_at", "vendor_id"}
SPARK = {
    "SEGMENT_PIPELINE_ENGINE": "spark",
    "SEGMENT_PIPELINE_SPARK_CONF": ";".join(f"{key}={value}" for key, value in MANY_STATEMENTS.items()),
}


@click.command(help=__doc__)
@click.option("--households", default=20, show_default=True)
@click.option("--days", default=1, show_default=True)
@click.option(
    "--code", default=1, show_default=True, help="exit code of the demo: 1 where so few people hold an audience"
)
def main(households: int, days: int, code: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="demo-on-spark-"))
    one, other = folder / "duckdb", folder / "spark"
    size = ("--households", str(households), "--days", str(days))
    try:
        for home, variables in ((one, None), (other, SPARK)):
            run_cli("demo", "--home", str(home), *size, code=code, variables=variables, timeout=None)
        for declared in all_tables():
            rows = content(one, declared.name)
            compare(rows, content(other, declared.name), declared.name)
            click.echo(f"{declared.name}: {rows.num_rows} rows, the same")
        if code == 0:
            assert report(one) == report(other), "the reports differ"
            click.echo("report.json: the same")
    finally:
        shutil.rmtree(folder)


def report(home: Path) -> dict[str, Any]:
    """What the demo reports, but for how long it took."""
    found: dict[str, Any] = json.loads((home / "report.json").read_text())
    return {name: value for name, value in found.items() if name != "seconds"}


def content(home: Path, name: str) -> pa.Table:
    columns = ", ".join(column for column in table(name).names if column not in OF_THE_RUN)
    with Lake(str(home / "lake"), DuckDBEngine(memory="1GB")).session() as session:
        session.scan(name)
        return session.table(f"SELECT {columns} FROM {name}")


if __name__ == "__main__":
    main()
