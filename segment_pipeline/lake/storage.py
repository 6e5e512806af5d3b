"""Delta tables on disk or in an object store: create, list current files, write one commit, and our errors instead of theirs.

delta-rs and DataFusion quote values in their messages; nothing of a message of theirs leaves this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from segment_pipeline.errors import ConflictError, ContractError, SegmentPipelineError
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.engine import WriteTarget
from segment_pipeline.lake.tables import Table

VERSION_KEY = "segment_pipeline.version"
UNSORTED_TYPES = ("VARCHAR[]", "JSON", "BOOLEAN")

Partitions = Mapping[str, Sequence[str | date]]


@contextmanager
def delta_errors(table: str, doing: str) -> Iterator[None]:
    """Turns delta-rs's exceptions into ours, without their text."""
    try:
        yield
    except CommitFailedError:
        raise ConflictError(
            f"another writer changed the same partitions of table {table} while {doing}: run it again"
        ) from None
    except (ConflictError, ContractError):
        raise
    except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
        raise ContractError(f"table {table}: {doing} failed ({type(error).__name__})") from None


def open_table(uri: str, options: Mapping[str, str], *, version: int | None = None) -> DeltaTable | None:
    """The Delta table, at a version or its newest; None when there is none yet."""
    try:
        return DeltaTable(uri, version=version, storage_options=dict(options) or None)
    except TableNotFoundError:
        return None


def create(table: Table, uri: str, options: Mapping[str, str]) -> DeltaTable:
    """The table, made if it is not there. No statistics on columns that identify a person; no deletion vectors."""
    existing = open_table(uri, options)
    if existing is not None:
        return _widened(existing, table)
    statistics = [
        c.name for c in table.columns if not c.pii and c.type not in UNSORTED_TYPES and c.name not in table.partition_by
    ]
    with delta_errors(table.name, "creating it"):
        return DeltaTable.create(
            uri,
            schema=table.arrow,
            mode="ignore",
            partition_by=list(table.partition_by) or None,
            name=table.name,
            description=table.grain,
            configuration={
                "delta.dataSkippingStatsColumns": ",".join(statistics),
                "delta.enableDeletionVectors": "false",
                "delta.logRetentionDuration": "interval 30 days",
                "delta.deletedFileRetentionDuration": "interval 7 days",
                VERSION_KEY: str(table.version),
            },
            raise_if_key_not_exists=False,
            storage_options=dict(options) or None,
        )


def _widened(delta: DeltaTable, table: Table) -> DeltaTable:
    held = {field.name for field in delta.schema().fields}
    added = [column for column in table.columns if column.name not in held]
    if undeclared := sorted(held - set(table.names)):
        raise ContractError(
            f"table {table.name} holds columns nobody declares ({', '.join(undeclared)}): run the migrations"
        )
    if required := [column.name for column in added if not column.nullable]:
        raise ContractError(
            f"table {table.name} gained required columns ({', '.join(required)}): write a migration for them"
        )
    if added:
        with delta_errors(table.name, "adding columns"):
            schema = Schema.from_arrow(pa.schema([pa.field(column.name, column.arrow) for column in added]))
            delta.alter.add_columns(list(schema.fields))
    return delta


@dataclass(frozen=True, slots=True)
class DataFile:
    """One current file of a table: its full path, the values of its partition columns, its age in epoch milliseconds."""

    path: str
    partition: Mapping[str, Any]
    rows: int
    modified: int


def files(delta: DeltaTable, table: Table, partitions: Partitions | None = None) -> list[DataFile]:
    """Current files whose partition values are among those asked for; a column that is not named is not restricted.

    Raises ContractError for a table written with deletion vectors, whose files alone do not tell its rows.
    """
    if "deletionVectors" in (delta.protocol().reader_features or []):
        raise ContractError(
            f"table {table.name} uses deletion vectors: purge them (REORG … APPLY (PURGE)) and switch them off"
        )
    actions = pa.table(delta.get_add_actions(flatten=True))
    base = delta.table_uri.rstrip("/").removeprefix("file://")
    wanted = {name: set(values) for name, values in (partitions or {}).items()}
    columns = (
        {name: actions.column(f"partition.{name}").to_pylist() for name in table.partition_by} if len(actions) else {}
    )
    found = []
    listed = (actions.column(name).to_pylist() for name in ("path", "num_records", "modification_time"))
    for index, (path, rows, modified) in enumerate(zip(*listed, strict=True)):
        partition = {name: values[index] for name, values in columns.items()}
        if all(partition[name] in values for name, values in wanted.items()):
            found.append(DataFile(f"{base}/{unquote(path)}", partition, rows or 0, modified))
    return sorted(found, key=lambda file: file.path)


def predicate(partitions: Partitions) -> str:
    """SQL that names the partitions a write replaces, with literals only: what keeps writers of others out of conflict."""
    parts = []
    for name, values in partitions.items():
        texts = ", ".join(literal(str(value)) for value in sorted(values, key=str))
        parts.append(f"{name} IN ({texts})")
    return " AND ".join(parts)


@dataclass
class Stream:
    """What happened while a writer drained a stream: an exception raised inside it does not survive delta-rs."""

    rows: int = 0
    failure: SegmentPipelineError | None = None


def checked(reader: pa.RecordBatchReader, table: Table, stream: Stream) -> pa.RecordBatchReader:
    """The same stream, typed as declared; raises ContractError naming table, column, expected and got, never a value.

    delta-rs casts '7' to a number without a word, so types are compared here.
    """
    got = {field.name: field.type for field in reader.schema}
    for column in table.columns:
        if column.name not in got:
            raise ContractError(f"table {table.name}: column {column.name} is missing from what was to be written")
        if got[column.name] != column.arrow and not _same(got[column.name], column.arrow):
            raise ContractError(
                f"table {table.name}, column {column.name}: expected {column.arrow}, got {got[column.name]}"
            )
    if surplus := sorted(got.keys() - set(table.names)):
        raise ContractError(
            f"table {table.name} does not declare {', '.join(surplus)}: add the column to lake/tables or drop it"
        )
    required = [column.name for column in table.columns if not column.nullable]

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in _kept(reader, stream):
            for name in required:
                if batch.column(name).null_count:
                    stream.failure = ContractError(f"table {table.name}, column {name}: expected a value, got NULL")
                    raise stream.failure
            stream.rows += len(batch)
            yield pa.RecordBatch.from_arrays(
                [batch.column(column.name).cast(column.arrow) for column in table.columns], schema=table.arrow
            )

    return pa.RecordBatchReader.from_batches(table.arrow, batches())


def _kept(reader: pa.RecordBatchReader, stream: Stream) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except SegmentPipelineError as error:
        stream.failure = error
        raise


def _same(got: pa.DataType, want: pa.DataType) -> bool:
    if pa.types.is_timestamp(got) and pa.types.is_timestamp(want):
        return bool(got.unit == want.unit and (got.tz is None) == (want.tz is None))
    if pa.types.is_list(got) and pa.types.is_list(want):
        return bool(got.value_type == want.value_type)
    return False


def write(reader: pa.RecordBatchReader, target: WriteTarget) -> int:
    """Stream rows into one commit; returns their number. Raises ConflictError or ContractError."""
    create(target.table, target.uri, target.storage_options)
    stream = Stream()
    rows = checked(reader, target.table, stream)
    transactions = [Transaction(target.marker[0], target.marker[1])] if target.marker else None
    try:
        with delta_errors(target.table.name, "writing it"):
            write_deltalake(
                target.uri,
                rows,
                mode="overwrite" if not target.append else "append",  # type: ignore[call-overload]
                predicate=None if target.append else target.predicate,
                partition_by=list(target.table.partition_by) or None,
                storage_options=dict(target.storage_options) or None,
                commit_properties=CommitProperties(app_transactions=transactions, max_commit_retries=5),
            )
    except ContractError:
        if stream.failure is not None:
            raise stream.failure from None
        raise
    finally:
        reader.close()
    return stream.rows
