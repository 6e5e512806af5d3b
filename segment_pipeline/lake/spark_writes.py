"""Rows written by Spark's executors: to scratch first, so that a task tried twice leaves nothing in the table's folder."""

from typing import TYPE_CHECKING

import pyarrow as pa

from segment_pipeline.lake import storage
from segment_pipeline.lake.commits import File, files_at
from segment_pipeline.lake.schema import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType


def arrow_schema(schema: "StructType") -> pa.Schema:
    """Spark's types as Arrow's."""
    from pyspark.sql.pandas.types import to_arrow_schema

    arrow: pa.Schema = to_arrow_schema(schema, timezone="UTC", prefers_large_types=False)
    return arrow


def to_files(frame: "DataFrame", table: Table, folder: str) -> None:
    """Write a table's rows as Parquet, one folder per partition, sorted inside files as declared.

    Raises ContractError naming table, column, expected and got for rows that are not typed as declared.
    """
    storage.check_schema(arrow_schema(frame.schema), table)
    rows = frame.select(*(f"`{name}`" for name in table.names))
    if table.partition_by:
        # Few files per partition, and no task alone with a large one.
        rows = rows.hint("rebalance", *table.partition_by)
    order = (*table.partition_by, *table.sort_by)
    if order:
        rows = rows.sortWithinPartitions(*order)
    writer = rows.write.partitionBy(*table.partition_by) if table.partition_by else rows.write
    writer.parquet(folder)


def moved(folder: str, home: str) -> list[File]:
    """Move the files written to `folder` to where the table is."""
    fs, source = storage.filesystem(folder)
    _, to = storage.filesystem(home)
    paths = [path[len(source) :].lstrip("/") for path in fs.find(source) if path.endswith(".parquet")]
    files = files_at(folder, paths)
    for file in files:
        place = f"{to}/{file.path}"
        fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
        fs.mv(f"{source}/{file.path}", place)
    return files
