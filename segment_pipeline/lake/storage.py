"""Delta tables on disk or in an object store: create, list current files, write one commit, and our errors instead of theirs.

delta-rs and DataFusion quote values in their messages; nothing of a message of theirs leaves this module.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from segment_pipeline.errors import ConflictError, ContractError, SegmentPipelineError
from segment_pipeline.lake import reach
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.engine import Partitions
from segment_pipeline.lake.schema import Table

VERSION_KEY = "segment_pipeline.version"
WRITTEN = "_tables"
COLUMNS_KEY = "segment_pipeline.columns_at_creation"
STATISTICS_KEY = "delta.dataSkippingStatsColumns"
# A file's least and greatest text stays in the log after the person is erased, and any text may tell who it was.
COUNTED_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "INTEGER", "BIGINT", "MONEY", "RATE")
# Everything else changes what a file's rows are (deletion vectors) or what its columns are called (column mapping).
READABLE_FEATURES = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}


class LostTable(ContractError):
    """A table of the lake was written to and is there no more: it must not be read as an empty one."""

    @classmethod
    def named(cls, name: str) -> Self:
        return cls(
            f"table {name} was written to and is missing from the lake: restore it, or begin it anew and land or compute it again "
            f"(`segment-pipeline accept {name}`)"
        )


def filesystem(uri: str) -> tuple[Any, str]:
    """The file system that holds a path or URI, and the path in it."""
    import fsspec

    found: tuple[Any, str] = fsspec.core.url_to_fs(uri)
    return found


@contextmanager
def delta_errors(table: str, doing: str) -> Iterator[None]:
    """Turns delta-rs's exceptions into ours, without their text."""
    try:
        yield
    except CommitFailedError:
        raise ConflictError(
            f"another writer changed the same partitions of table {table} while {doing}: run it again"
        ) from None
    except (SegmentPipelineError, TableNotFoundError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever they raise, its text may quote a value
        if reach.from_store(error) and (said := reach.reason(error)):
            raise said from None
        raise ContractError(f"table {table}: {doing} failed ({type(error).__name__})") from None


def open_table(uri: str, options: Mapping[str, str], *, version: int | None = None) -> DeltaTable | None:
    """The Delta table, at a version or its newest; None when there is none yet.

    Raises ContractError when the log cannot be read, or a version is asked for that is gone.
    """
    with delta_errors(uri.rsplit("/", 1)[-1], "opening it" if version is None else f"opening its version {version}"):
        try:
            return DeltaTable(uri, version=version, storage_options=dict(options) or None)
        except TableNotFoundError:
            return None


def renewed(delta: DeltaTable, name: str) -> DeltaTable:
    """The same object, at the newest version of its table."""
    with delta_errors(name, "opening it"):
        delta.update_incremental()
    return delta


class OpenTables:
    """Tables of one lake, kept open between uses: to look for new entries of a log costs a fiftieth of opening it.

    On an object store, a table that is taken away and made anew is not noticed: open the lake again. `_tables` beside the
    tables holds an empty file per table that was ever written to, so that one that is lost is not taken for an empty one.
    """

    def __init__(self, root: str, options: Mapping[str, str]) -> None:
        self.root, self.options = root, options
        self._idle: dict[str, DeltaTable] = {}
        self._written: set[str] = set()

    def take(self, name: str) -> DeltaTable | None:
        """A table at its newest version, the caller's alone until it is given back; None: there is none, see `lost`."""
        idle = self._held(name)
        return open_table(f"{self.root}/{name}", self.options) if idle is None else renewed(idle, name)

    def take_to_write(self, table: Table, mine: DeltaTable | None, *, anew: bool = False) -> DeltaTable:
        """As `take`, made or brought up to its declaration where needed. `mine`: taken before.

        Raises LostTable for one that is lost, unless it may begin `anew`.
        """
        opened = mine or self._held(table.name)
        if opened is None and not anew and self.lost(table.name):
            raise LostTable.named(table.name)
        made = create(table, f"{self.root}/{table.name}", self.options, opened)
        self._note(table.name)
        return made

    def lost(self, name: str) -> bool:
        """A table was written to and is there no more."""
        return self._noted(name) and open_table(f"{self.root}/{name}", self.options) is None

    def begin(self, name: str) -> None:
        """Forget that a table was ever written to."""
        fs, path = self._note_of(name)
        self._written.discard(name)
        if fs.exists(path):
            fs.rm(path)

    def _held(self, name: str) -> DeltaTable | None:
        """The table as it was opened before, unless its folder has been exchanged since."""
        idle = self._idle.pop(name, None)
        if idle is None or "://" in self.root:
            return idle
        return idle if Path(self.root, name, "_delta_log", f"{idle.version():020}.json").exists() else None

    def _note(self, name: str) -> None:
        if name in self._written:
            return
        if not self._noted(name):
            with delta_errors(name, "noting that it is there"):
                fs, path = self._note_of(name)
                fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                fs.pipe_file(path, b"")
        self._written.add(name)

    def _noted(self, name: str) -> bool:
        if "://" not in self.root:
            # The library for all kinds of stores is slow to import.
            return Path(self.root, WRITTEN, name).exists()
        fs, path = self._note_of(name)
        return bool(fs.exists(path))

    def _note_of(self, name: str) -> tuple[Any, str]:
        fs, home = filesystem(self.root)
        fs.invalidate_cache()
        return fs, f"{home.rstrip('/')}/{WRITTEN}/{name}"

    def give_back(self, name: str, delta: DeltaTable) -> None:
        self._idle[name] = delta

    @contextmanager
    def newest(self, name: str) -> Iterator[DeltaTable | None]:
        """A table at its newest version for a look at it; None: nothing was ever written to it."""
        delta = self.take(name)
        yield delta
        if delta is not None:
            self.give_back(name, delta)


def statistics(table: Table) -> str:
    """The columns of which the log keeps the least and greatest value: none that could tell who a person is, by a number either."""
    return ",".join(
        c.name
        for c in table.columns
        if not (c.pii or c.derived) and c.type in COUNTED_TYPES and c.name not in table.partition_by
    )


def create(table: Table, uri: str, options: Mapping[str, str], opened: DeltaTable | None = None) -> DeltaTable:
    """The newest version of the table, made if it is not there. No statistics on columns that identify a person; no deletion
    vectors. `opened`: some version of it, which becomes the newest.
    """
    existing = renewed(opened, table.name) if opened is not None else open_table(uri, options)
    if existing is not None:
        brought_up(existing, table)
        return existing
    counted = statistics(table)
    with delta_errors(table.name, "creating it"):
        return DeltaTable.create(
            uri,
            schema=table.arrow,
            mode="ignore",
            partition_by=list(table.partition_by) or None,
            name=table.name,
            description=table.grain,
            configuration={
                # An empty list of columns means the first 32 of them, so none is said as a number.
                **({STATISTICS_KEY: counted} if counted else {"delta.dataSkippingNumIndexedCols": "0"}),
                "delta.enableDeletionVectors": "false",
                "delta.logRetentionDuration": "interval 30 days",
                "delta.deletedFileRetentionDuration": "interval 7 days",
                VERSION_KEY: str(table.version),
                COLUMNS_KEY: str(len(table.columns)),
            },
            raise_if_key_not_exists=False,
            storage_options=dict(options) or None,
        )


def brought_up(delta: DeltaTable, table: Table) -> int:
    """Adds what the declaration has gained; returns the number of commits it took."""
    commits = 0
    check_features(delta, table)
    held = {field.name for field in delta.schema().fields}
    added = [column for column in table.columns if column.name not in held]
    if undeclared := sorted(held - set(table.names)):
        raise ContractError(
            f"table {table.name} holds columns nobody declares ({', '.join(undeclared)}): run the migrations"
        )
    check_types(delta, table)
    if required := [column.name for column in added if not column.nullable]:
        raise ContractError(
            f"table {table.name} gained required columns ({', '.join(required)}): write a migration for them"
        )
    if added:
        with delta_errors(table.name, "adding columns"):
            schema = Schema.from_arrow(pa.schema([pa.field(column.name, column.arrow) for column in added]))
            delta.alter.add_columns(list(schema.fields))
        commits += 1
    counted = statistics(table)
    if counted and delta.metadata().configuration.get(STATISTICS_KEY) != counted:
        with delta_errors(table.name, "choosing its statistics"):
            delta.alter.set_table_properties({STATISTICS_KEY: counted}, raise_if_not_exists=False)
        commits += 1
    return commits


def check_features(delta: DeltaTable, table: Table) -> None:
    """Raises ContractError for a table whose files alone do not tell its rows and columns."""
    protocol, configuration = delta.protocol(), delta.metadata().configuration
    features = set(protocol.reader_features or [])
    if "deletionVectors" in features:
        raise ContractError(
            f"table {table.name} uses deletion vectors: purge them (REORG … APPLY (PURGE)) and switch them off"
        )
    if strange := sorted(features - READABLE_FEATURES):
        raise ContractError(f"table {table.name} needs features its files cannot be read with ({', '.join(strange)})")
    if configuration.get("delta.columnMapping.mode", "none") != "none":
        raise ContractError(f"table {table.name} maps column names: rewrite it without column mapping")


def check_types(delta: DeltaTable, table: Table) -> None:
    """Raises ContractError for a column the table holds as another type than the declared one."""
    for field in pa.schema(delta.schema()):
        column = table.by_name.get(field.name)
        if column is not None and not _same(_plain(field.type), column.arrow):
            raise ContractError(
                f"table {table.name}, column {field.name}: declared {column.arrow}, the table holds {field.type}: "
                "run the migrations"
            )


def held_by_all(delta: DeltaTable) -> set[str] | None:
    """The columns every file of the table holds; None where columns were added after it was made, so that files differ."""
    names = {field.name for field in delta.schema().fields}
    return names if delta.metadata().configuration.get(COLUMNS_KEY) == str(len(names)) else None


def note_complete(delta: DeltaTable, table: Table) -> None:
    """Note that every file holds every column the table has, so that none need be looked into."""
    names = {field.name for field in delta.schema().fields}
    if names == set(table.names):
        with delta_errors(table.name, "noting that its files are complete"):
            delta.alter.set_table_properties({COLUMNS_KEY: str(len(names))}, raise_if_not_exists=False)


def fixed(uri: str, options: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """What a table without rows at `uri` says of these names in its properties; the first to ask makes it say `values`."""
    prefix = "segment_pipeline."
    delta = open_table(uri, options)
    if delta is None:
        with delta_errors(uri.rsplit("/", 1)[-1], "creating it"):
            # A Delta commit, because only one of two can win it, on every kind of store.
            delta = DeltaTable.create(
                uri,
                schema=pa.schema([("nothing", pa.string())]),
                mode="ignore",
                description="settings that cannot change once rows are landed",
                configuration={prefix + name: value for name, value in values.items()},
                raise_if_key_not_exists=False,
                storage_options=dict(options) or None,
            )
    held = delta.metadata().configuration
    return {name: held.get(prefix + name, value) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class DataFile:
    """One current file of a table: its full path, the values of its partition columns, its age in epoch milliseconds."""

    path: str
    partition: Mapping[str, Any]
    rows: int
    modified: int


def files(delta: DeltaTable, table: Table, partitions: Partitions | None = None) -> list[DataFile]:
    """Current files whose partition values are among those asked for; a column that is not named is not restricted.

    Raises ContractError as `check_features` does.
    """
    check_features(delta, table)
    # As a stream: what makes a table of anything at all imports pandas, to see whether it is one of its own.
    actions = pa.RecordBatchReader.from_stream(delta.get_add_actions(flatten=True)).read_all()
    base = delta.table_uri.rstrip("/")
    if base.startswith("file://"):
        base = unquote(base.removeprefix("file://"))
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


def check_schema(schema: pa.Schema, table: Table) -> None:
    """Raises ContractError naming table, column, expected and got for rows that are not typed as declared."""
    got = {field.name: field.type for field in schema}
    for column in table.columns:
        if column.name not in got:
            raise ContractError(f"table {table.name}: column {column.name} is missing from what was to be written")
        if not _same(got[column.name], column.arrow):
            raise ContractError(
                f"table {table.name}, column {column.name}: expected {column.arrow}, got {got[column.name]}"
            )
    if surplus := sorted(got.keys() - set(table.names)):
        raise ContractError(
            f"table {table.name} does not declare {', '.join(surplus)}: add the column to its declaration or drop it"
        )


def _plain(kind: pa.DataType) -> pa.DataType:
    # Arrow has several layouts of one text or list, and delta-rs picks its own.
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


def _same(got: pa.DataType, want: pa.DataType) -> bool:
    if pa.types.is_timestamp(got) and pa.types.is_timestamp(want):
        return bool(got.unit == want.unit and (got.tz is None) == (want.tz is None))
    if pa.types.is_list(got) and pa.types.is_list(want):
        return bool(got.value_type == want.value_type)
    return bool(got == want)
