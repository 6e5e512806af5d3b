"""What the queries written by hand stand on: a bare DuckDB connection under the same limits, over the same files."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from segment_pipeline.lake import storage
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.tables import table
from segment_pipeline_tests.benchmarks.company import Company


def connection(company: Company, *names: str) -> duckdb.DuckDBPyConnection:
    """A connection with the memory and threads of the company's settings, and a view of the current files of each table."""
    settings = company.settings
    found = duckdb.connect(
        config={
            "memory_limit": settings.memory,
            "temp_directory": str(company.root / "spill"),
            "preserve_insertion_order": "false",
            **({"threads": settings.threads} if settings.threads else {}),
        }
    )
    found.execute("SET TimeZone = 'UTC'")
    for name in names:
        found.execute(f"CREATE VIEW {quote(name)} AS SELECT * FROM {parquet(company, name)}")
    return found


def parquet(company: Company, name: str, days: Sequence[date] = ()) -> str:
    """The current files of a table as DuckDB reads them: all, or those stored under these days."""
    declared = table(name)
    delta = storage.open_table(company.lake.uri(name), {})
    assert delta is not None, f"the company has no {name}"
    files = storage.files(delta, declared, {"day": days} if days else None)
    types = ", ".join(f"{literal(column)}: {declared.by_name[column].sql}" for column in declared.partition_by)
    hive = f", hive_partitioning = true, hive_types = {{{types}}}" if types else ""
    return f"read_parquet({literal([file.path for file in files])}{hive})"


def written(company: Company, hand: duckdb.DuckDBPyConnection, query: str, *, partition_by: Sequence[str] = ()) -> int:
    """Write a query's rows to Parquet, as the package writes its tables; returns their number."""
    folder = Path(company.root) / "by_hand"
    folder.mkdir(exist_ok=True)
    parts = f", PARTITION_BY ({', '.join(partition_by)}), OVERWRITE_OR_IGNORE" if partition_by else ""
    target = folder / ("rows" if partition_by else f"rows-{len(list(folder.iterdir()))}.parquet")
    counted = hand.execute(f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION snappy{parts})")
    return int(counted.fetchall()[0][0])
