"""Parquet files an engine wrote into a table's folder, made the rows of a write in one commit of delta-rs.

A job killed before the commit leaves the old table, and files the log does not know, which vacuum removes.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import parquet

from segment_pipeline import clock
from segment_pipeline.errors import ConflictError, ContractError
from segment_pipeline.lake import horizon, partitions, storage
from segment_pipeline.lake.engine import WriteTarget

COMMITS = 20
ATTEMPTS = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class File:
    """One file of rows: its path below the table's folder, its partition's values as the log spells them, its bytes and footer."""

    path: str
    partition: Mapping[str, str | None]
    size: int
    footer: parquet.FileMetaData


def files_at(root: str, paths: Iterable[str]) -> list[File]:
    """The files at these paths below a folder, but for those without a row."""
    fs, base = storage.filesystem(root)
    found = []
    for path in sorted(paths):
        with fs.open(f"{base}/{path}", "rb") as file:
            footer = parquet.read_metadata(file)
        if not footer.num_rows:
            continue
        partition: dict[str, str | None] = {}
        for part in path.split("/")[:-1]:
            column, _, value = part.partition("=")
            partition[column] = None if value == partitions.NULL_PARTITION else unquote(value)
        found.append(File(path, partition, fs.size(f"{base}/{path}"), footer))
    return found


def commit(files: Sequence[File], target: WriteTarget) -> tuple[int, int]:
    """Make files in the table's folder the rows of the write; returns their number, and the version that holds them.

    With `target.base`, what another writer did since to the partitions replaced is a conflict; without, the last one wins.
    Raises ConflictError, and ContractError for a required column without a value or a row outside the partitions replaced.
    """
    _check(files, target)
    delta, replaced = target.delta, _replaced(target)
    actions = _added(files, target)
    for _ in range(COMMITS):
        if replaced is not None and delta.version() != target.base and _files(delta, target) != replaced:
            break
        try:
            _committed(delta, actions, target)
        except ConflictError:
            delta = storage.create(target.table, target.uri, target.storage_options, delta)
            continue
        return sum(file.footer.num_rows for file in files), delta.version() + 1
    raise ConflictError(
        f"another writer changed the same partitions of table {target.table.name} while writing it: run it again"
    )


def _check(files: Sequence[File], target: WriteTarget) -> None:
    table = target.table
    required = {column.name for column in table.columns if not column.nullable}
    for file in files:
        nulls = {column for column, value in file.partition.items() if value is None}
        nulls |= {name for name, counted in _statistics(file.footer, table.name).items() if counted["nulls"]}
        if missing := sorted(nulls & required):
            raise ContractError(f"table {table.name}, column {missing[0]}: expected a value, got NULL")
        for column, values in (target.partitions or {}).items():
            if not target.append and file.partition[column] not in {str(value) for value in values}:
                raise ContractError(
                    f"table {table.name}: writing it failed, a row lies outside the partitions replaced"
                ) from None


def _added(files: Sequence[File], target: WriteTarget) -> list[AddAction | RemoveAction]:
    """What the log says of each file."""
    now = int(clock.now().timestamp() * 1000)
    counted = set(filter(None, storage.statistics(target.table).split(",")))
    return [
        AddAction(
            path=file.path,
            size=file.size,
            partition_values=dict(file.partition),
            modification_time=now,
            data_change=True,
            stats=_logged(file.footer, counted, target.table.name),
        )
        for file in files
    ]


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
    """The files the rows were computed from that this write replaces; None: from nothing it replaces."""
    if target.append or target.base is None:
        return None
    if target.delta.version() == target.base:
        return _files(target.delta, target)
    read = storage.open_table(target.uri, target.storage_options, version=target.base)
    return _files(read, target) if read is not None else set()


def _files(delta: DeltaTable, target: WriteTarget) -> set[str]:
    return {file.path for file in storage.files(delta, target.table, target.partitions)}


def _statistics(footer: parquet.FileMetaData, table: str) -> dict[str, dict[str, Any]]:
    """Of each flat column: NULLs, and the least and greatest value where the file says them.

    Raises ContractError for a day or time that the lake cannot hold: see `lake.horizon`.
    """
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
                try:
                    least, greatest = _extremes(statistics)
                except (OverflowError, ValueError):
                    raise ContractError(
                        f"table {table}, column {chunk.path_in_schema}: a day or time outside {' to '.join(horizon.DAYS)}:"
                        " nothing was written; leave it NULL"
                    ) from None
                held["least"].append(least)
                held["greatest"].append(greatest)
    return found


def _extremes(statistics: parquet.Statistics) -> tuple[Any, Any]:
    """The least and the greatest value; raises OverflowError or ValueError for one that Python has no date or time for."""
    kind = statistics.logical_type
    if kind.type == "TIMESTAMP":
        said = json.loads(kind.to_json())
        if said["timeUnit"] == "microseconds":
            # Arrow's own reading of a time imports pandas.
            began = datetime(1970, 1, 1, tzinfo=UTC if said["isAdjustedToUTC"] else None)
            raw = statistics.min_raw, statistics.max_raw
            return began + timedelta(microseconds=raw[0]), began + timedelta(microseconds=raw[1])
    return statistics.min, statistics.max


def _logged(footer: parquet.FileMetaData, counted: set[str], table: str) -> str:
    """A file's statistics as Delta's log spells them, of the columns that may be counted."""
    statistics = {name: held for name, held in _statistics(footer, table).items() if name in counted}
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


def retried(attempt: Callable[[], T]) -> T:
    """What `attempt` returns once no other writer was first; raises its last ConflictError."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    for chance in Retrying(
        retry=retry_if_exception_type(ConflictError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(0.05, max=2.0),
        sleep=clock.sleep,
        reraise=True,
    ):
        with chance:
            return attempt()
    raise AssertionError("unreachable: the last attempt re-raises")
