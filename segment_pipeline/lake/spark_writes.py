"""Rows that Spark's executors wrote, made part of a Delta table in one commit of delta-rs.

Files are written to scratch first and moved into the table's folder before the commit names them: a job killed half-way leaves
the old table, and files the log does not know, which vacuum removes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import parquet

from segment_pipeline import clock
from segment_pipeline.errors import ConflictError, ContractError
from segment_pipeline.lake import storage
from segment_pipeline.lake.engine import WriteTarget
from segment_pipeline.lake.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

COMMITS = 20
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def filesystem(uri: str) -> tuple[Any, str]:
    """The file system that holds a path or URI, and the path in it."""
    import fsspec

    found: tuple[Any, str] = fsspec.core.url_to_fs(uri)
    return found


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


@dataclass(frozen=True, slots=True)
class File:
    """One file of rows: its path below the folder, the values of its partition columns as the log spells them, its footer."""

    path: str
    partition: Mapping[str, str | None]
    size: int
    footer: parquet.FileMetaData


def commit(folder: str, target: WriteTarget) -> int:
    """Make the files below `folder` the rows of the write; returns their number.

    Raises ConflictError and ContractError as `storage.write` does.
    """
    files = list(_written(folder))
    _check(files, target)
    before = _replaced(target)
    actions = _moved(files, folder, target)
    for _ in range(COMMITS):
        newest = storage.create(target.table, target.uri, target.storage_options)
        if before is not None and before != _files(newest, target):
            break
        try:
            _committed(newest, actions, target)
        except ConflictError:
            continue
        return sum(file.footer.num_rows for file in files)
    raise ConflictError(
        f"another writer changed the same partitions of table {target.table.name} while writing it: run it again"
    )


def _written(folder: str) -> Iterator[File]:
    fs, root = filesystem(folder)
    found: Mapping[str, Mapping[str, Any]] = fs.find(root, detail=True)
    for path in sorted(found):
        if not path.endswith(".parquet"):
            continue
        with fs.open(path, "rb") as file:
            footer = parquet.read_metadata(file)
        if not footer.num_rows:
            continue
        relative = path[len(root) :].lstrip("/")
        partition: dict[str, str | None] = {}
        for part in relative.split("/")[:-1]:
            column, _, value = part.partition("=")
            partition[column] = None if value == NULL_PARTITION else unquote(value)
        yield File(relative, partition, found[path]["size"], footer)


def _check(files: list[File], target: WriteTarget) -> None:
    table = target.table
    required = {column.name for column in table.columns if not column.nullable}
    for file in files:
        nulls = {column for column, value in file.partition.items() if value is None}
        nulls |= {name for name, counted in _statistics(file.footer).items() if counted["nulls"]}
        if missing := sorted(nulls & required):
            raise ContractError(f"table {table.name}, column {missing[0]}: expected a value, got NULL")
        for column, values in (target.partitions or {}).items():
            if not target.append and file.partition[column] not in {str(value) for value in values}:
                raise ContractError(
                    f"table {table.name}: writing it failed, a row lies outside the partitions replaced"
                ) from None


def _moved(files: list[File], folder: str, target: WriteTarget) -> list[AddAction | RemoveAction]:
    """Put the files where the table is, and say of each what the log keeps."""
    fs, source = filesystem(folder)
    _, home = filesystem(target.uri)
    now = int(clock.now().timestamp() * 1000)
    counted = set(filter(None, storage.statistics(target.table).split(",")))
    actions: list[AddAction | RemoveAction] = []
    for file in files:
        place = f"{home}/{file.path}"
        fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
        fs.mv(f"{source}/{file.path}", place)
        actions.append(
            AddAction(
                path=file.path,
                size=file.size,
                partition_values=dict(file.partition),
                modification_time=now,
                data_change=True,
                stats=_logged(file.footer, counted),
            )
        )
    return actions


def _committed(delta: DeltaTable, actions: list[AddAction | RemoveAction], target: WriteTarget) -> None:
    transactions = [Transaction(*target.marker)] if target.marker else None
    filters = None
    if target.partitions and not target.append:
        filters = [(name, "in", [str(value) for value in values]) for name, values in target.partitions.items()]
    with storage.delta_errors(target.table.name, "writing it"):
        delta.create_write_transaction(
            actions,
            mode="append" if target.append else "overwrite",
            schema=delta.schema(),
            partition_by=list(target.table.partition_by) or None,
            partition_filters=filters,
            # The files of the partitions are compared here, so that others' commits elsewhere are no conflict.
            commit_properties=CommitProperties(app_transactions=transactions, max_commit_retries=0),
        )


def _replaced(target: WriteTarget) -> set[str] | None:
    """The files the rows were computed from; None: they were computed from nothing this write replaces."""
    if target.append or target.base is None:
        return None
    read = storage.open_table(target.uri, target.storage_options, version=target.base)
    return None if read is None else _files(read, target)


def _files(delta: DeltaTable, target: WriteTarget) -> set[str]:
    return {file.path for file in storage.files(delta, target.table, target.partitions)}


def _statistics(footer: parquet.FileMetaData) -> dict[str, dict[str, Any]]:
    """Of each flat column: NULLs, and the least and greatest value where the file says them."""
    found: dict[str, dict[str, Any]] = {}
    for group in range(footer.num_row_groups):
        for index in range(footer.num_columns):
            chunk = footer.row_group(group).column(index)
            if "." in chunk.path_in_schema:
                continue
            held = found.setdefault(chunk.path_in_schema, {"nulls": 0, "least": [], "greatest": []})
            statistics = chunk.statistics
            if statistics is None:
                continue
            held["nulls"] += statistics.null_count or 0
            if statistics.has_min_max:
                held["least"].append(statistics.min)
                held["greatest"].append(statistics.max)
    return found


def _logged(footer: parquet.FileMetaData, counted: set[str]) -> str:
    """A file's statistics as Delta's log spells them, of the columns that may be counted."""
    statistics = {name: held for name, held in _statistics(footer).items() if name in counted}
    return json.dumps(
        {
            "numRecords": footer.num_rows,
            "minValues": {name: _spelt(min(held["least"])) for name, held in statistics.items() if held["least"]},
            "maxValues": {name: _spelt(max(held["greatest"])) for name, held in statistics.items() if held["greatest"]},
            "nullCount": {name: held["nulls"] for name, held in statistics.items()},
        }
    )


def _spelt(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return float(value)
    return value
