"""The DuckDB engine: embedded, one process, spills to disk. Knows files and SQL, and no table by name."""

import os
import re
import tempfile
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from segment_pipeline.errors import ContractError, SegmentPipelineError
from segment_pipeline.interrupts import interrupted
from segment_pipeline.lake import commits, partitions, reach, storage
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.engine import WriteTarget, columns_read, derived_everywhere
from segment_pipeline.lake.schema import Table

BATCH_ROWS = 100_000
RECORD_BYTES = 16 * 1024 * 1024
# What DuckDB says of names and types is safe and helps; anything with a value in it is not repeated.
SAFE = re.compile(
    r'(Referenced column "\w+" not found|Table with name \w+ does not exist|function "?\w+"? does not exist)'
)
OURS = "segment-pipeline: "
# The number of a record's key: 63 bits of the digest of its kind, source and key, neither of which first two holds a colon; NULL of none.
# What files hold was computed by it: it stays as it is.
KEY_NUMBER = (
    "CREATE MACRO key_number(kind, source, key) AS"
    " CAST(md5_number_upper(kind || ':' || source || ':' || key) >> 1 AS BIGINT)"
)
MEMORY_HINT = "it needs more memory at once than it may have, raise SEGMENT_PIPELINE_MEMORY"


@dataclass(frozen=True, slots=True)
class Database:
    """An in-memory database and the file systems it was told of."""

    raw: duckdb.DuckDBPyConnection
    filesystems: set[str] = field(default_factory=set)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection with views and temporary tables of its own."""
        # A bar is drawn on standard output otherwise, wherever DuckDB takes the process for somebody typing.
        return self.raw.cursor().execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")


class DuckDBEngine:
    """Its connections use one database one after the other, since opening one costs more than many a session; where several are
    open at once, each has one of its own.

    `memory` as DuckDB takes it (`2GB`), of one connection; beyond it work spills to `spill`. `threads` None: one per core.
    """

    dialect = "duckdb"

    def __init__(self, *, memory: str = "2GB", threads: int | None = None, spill: Path | None = None) -> None:
        self.memory, self.threads = memory, threads
        self.spill = spill or Path(tempfile.gettempdir()) / "segment-pipeline-spill"
        self._idle: list[Database] = []

    def connect(self) -> "DuckDBConnection":
        return DuckDBConnection(self)

    def take(self) -> tuple[Database, duckdb.DuckDBPyConnection]:
        """A database nobody uses, for the caller alone until it is given back, and a cursor in it."""
        with suppress(IndexError, duckdb.Error):
            # After a fatal error a database answers nothing any more, and is left behind.
            idle = self._idle.pop()
            return idle, idle.cursor()
        opened = self._opened()
        return opened, opened.cursor()

    def give_back(self, database: Database, cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.close()
        # What was spilled is people's data: it goes with the session, and so does the mark DuckDB leaves beside it.
        spilled = any(self.spill.glob(f"duckdb_temp_{os.getpid()}_*"))
        if self._idle or spilled:
            database.raw.close()
        else:
            self._idle.append(database)

    def _opened(self) -> Database:
        self.spill.mkdir(parents=True, exist_ok=True)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self.memory,
            "temp_directory": str(self.spill),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
        if self.threads:
            config["threads"] = self.threads
        raw = duckdb.connect(":memory:", config=config)
        raw.execute(KEY_NUMBER)
        return Database(raw)


@contextmanager
def engine_errors(name: str) -> Iterator[None]:
    """DuckDB quotes values, e-mails included: its message stays here, but for the parts that name columns and functions."""
    try:
        yield
    except duckdb.Error as error:
        if interrupted():
            raise KeyboardInterrupt from None
        _, ours, said = str(error).partition(OURS)
        if ours:
            raise ContractError(said) from None
        if isinstance(error, duckdb.IOException) and (why := reach.reason(error)):
            raise why from None
        hint = SAFE.search(str(error))
        detail = hint.group(1).replace('"', "") if hint else type(error).__name__
        if isinstance(error, duckdb.OutOfMemoryException):
            detail = MEMORY_HINT
        raise ContractError(f"{name} failed on DuckDB: {detail}") from None
    except RuntimeError:
        # What DuckDB itself makes of the exception of a signal's handler.
        if interrupted():
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _store_errors(name: str) -> Iterator[None]:
    """What the store of the table says while its files are written, as one of ours."""
    try:
        yield
    except SegmentPipelineError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever they raise, its text may quote an address
        if interrupted():
            raise KeyboardInterrupt from None
        raise reach.reason(error) or ContractError(
            f"{name} failed: writing its files ({type(error).__name__})"
        ) from None


class DuckDBConnection:
    """Views that read the lake's files, and temporary tables, of one session."""

    def __init__(self, engine: DuckDBEngine) -> None:
        self._engine = engine
        self._database, self.raw = engine.take()
        # What a name stands for is kept here: asking the catalogue costs more than many a statement.
        self._kinds: dict[str, str] = {}
        self._unread: pa.RecordBatchReader | None = None
        self._disabled: tuple[str, ...] = ()

    def scan(self, name: str, table: Table, files: Sequence[str], *, held: Collection[str] | None = None) -> None:
        if not files:
            empty = ", ".join(f"CAST(NULL AS {c.sql}) AS {quote(c.name)}" for c in table.columns)
            self._view(name, f"SELECT {empty} WHERE FALSE")
            return
        # By name means opening every file at every query: 2 to 8 times the cost of a narrow query over a year of days.
        everywhere = derived_everywhere(table, held)
        read = self._parquet(table, files, by_name=held is None)
        if held is None:
            held = {column for column, _ in self.columns(f"FROM {read}", name=f"scan of {table.name}")}
        # A file from before a column existed lacks it: NULL. The casts do nothing but where a foreign writer widened a type.
        columns = ", ".join(
            f"CAST({quote(c.name) if c.name in held else 'NULL'} AS {c.sql}) AS {quote(c.name)}" for c in table.columns
        )
        rows = f"SELECT {columns} FROM {read}"
        self._view(name, rows if everywhere else f"SELECT {columns_read(table)} FROM ({rows})")

    def scan_as_held(self, name: str, table: Table, files: Sequence[str]) -> None:
        self._view(name, f"SELECT * FROM {self._parquet(table, files)}")

    def register(self, name: str, rows: pa.Table) -> None:
        with engine_errors(f"register {name}"):
            self.drop(name)
            self.raw.register(name, rows)
            self._kinds[name.lower()] = "VIEW"

    def records(self, name: str, files: Sequence[str], path: Sequence[str]) -> None:
        if not files:
            self._view(name, "SELECT CAST(NULL AS VARCHAR) AS record WHERE FALSE")
        elif not path:
            # As text and not as JSON: a line that is no JSON must reach quarantine instead of failing the file.
            self._view(
                name,
                f"SELECT record FROM read_csv({literal(list(files))}, columns = {{'record': 'VARCHAR'}}, auto_detect = false,"
                f" header = false, delim = '\x01', quote = '', escape = '', max_line_size = {RECORD_BYTES}, buffer_size = {2 * RECORD_BYTES},"
                " strict_mode = false) WHERE record IS NOT NULL",
            )
        else:
            # Parsing a page held in a column is thirty times as fast as DuckDB's reader of JSON files with one large object.
            elements = "$" + "".join(f".{quote(step)}" for step in path) + "[*]"
            read = f"read_parquet({literal(list(files))}, hive_partitioning = false)"
            self._view(
                name,
                f"SELECT CAST(unnest(json_extract(content, {literal(elements)})) AS VARCHAR) AS record FROM {read}",
            )

    def parquet(self, name: str, files: Sequence[str], columns: Mapping[str, str], *, file: str = "") -> None:
        options = "hive_partitioning = false, union_by_name = true" + (", filename = true" if file else "")
        read = f"read_parquet({literal(list(files))}, {options})"
        held = dict(self.columns(f"FROM {read}", name=f"parquet {name}")) if files else {}
        casts = [f"CAST({_plain(column, held)} AS {kind}) AS {quote(column)}" for column, kind in columns.items()]
        if file:
            casts.append(f"{'parse_filename(filename)' if files else 'CAST(NULL AS VARCHAR)'} AS {quote(file)}")
        self._view(
            name, f"SELECT {', '.join(casts)} {f'FROM {read}' if files else 'WHERE FALSE'}", label=f"parquet {name}"
        )

    def define(
        self, name: str, sql: str, *, materialize: bool, as_written: bool = False, label: str | None = None
    ) -> None:
        if not materialize:
            self._view(name, sql, label=label)
            return
        with engine_errors(label or name):
            self.drop(name)
            with self._without("build_side_probe_side") if as_written else nullcontext():
                self.raw.execute(f"CREATE TEMP TABLE {quote(name)} AS {sql}").fetchall()
            self._kinds[name.lower()] = "TABLE"

    def drop(self, name: str) -> None:
        with engine_errors(f"drop {name}"):
            kind = self._kinds.pop(name.lower(), None)
            if kind:
                self.raw.execute(f"DROP {kind} {quote(name)}").fetchall()

    def table(self, sql: str, *, name: str) -> pa.Table:
        return self.reader(sql, name=name).read_all()

    def reader(self, sql: str, *, name: str) -> pa.RecordBatchReader:
        self._release()
        with engine_errors(name):
            inner = self.raw.sql(sql).to_arrow_reader(BATCH_ROWS)
        self._unread = inner

        def batches() -> Iterator[pa.RecordBatch]:
            with engine_errors(name):
                yield from _translated(inner, name)

        return pa.RecordBatchReader.from_batches(inner.schema, batches())

    def columns(self, sql: str, *, name: str) -> list[tuple[str, str]]:
        with engine_errors(name):
            return [(row[0], row[1]) for row in self.raw.execute(f"DESCRIBE {sql}").fetchall()]

    def write(self, sql: str, target: WriteTarget, *, name: str) -> tuple[int, int]:
        storage.check_schema(self.table(f"SELECT * FROM ({sql}) LIMIT 0", name=name).schema, target.table)
        return commits.commit(commits.files_at(target.uri, self._copied(sql, target, name)), target)

    def _copied(self, sql: str, target: WriteTarget, name: str) -> list[str]:
        """Write a query's rows as Parquet into the table's folder; returns the files' paths in it."""
        table = target.table
        only = {} if target.append else {c: v[0] for c, v in (target.partitions or {}).items() if len(v) == 1}
        only = {c: only[c] for c in table.partition_by if c in only}
        place = storage.filesystem(target.uri)
        self._reach(target.uri)
        # A column all rows have one value of is left out: sorting by it would still move every row.
        order = ", ".join(quote(c) for c in (*table.partition_by, *table.sort_by) if c not in only)
        rows = f"SELECT {_columns(table, only)} FROM ({sql}) WHERE {_inside(table, only)}"
        if order:
            rows += f" ORDER BY {order}"
        if len(only) < len(table.partition_by):
            with _store_errors(name):
                return partitions.write(self.reader(rows, name=name), table.partition_by, place, fixed=only)
        return self._copied_as_one(rows, f"{partitions.folder(only)}/" if only else "", target.uri, place, name)

    def _copied_as_one(self, rows: str, folder: str, uri: str, place: tuple[Any, str], name: str) -> list[str]:
        fs, home = place
        path = f"{folder}{uuid.uuid4()}.parquet"
        fs.makedirs(f"{home}/{folder}".rstrip("/"), exist_ok=True)
        self._release()
        with engine_errors(name):
            [(count,)] = self.raw.execute(f"COPY ({rows}) TO {literal(f'{uri}/{path}')} (FORMAT parquet)").fetchall()
        if not count:
            fs.rm(f"{home}/{path}")
            return []
        return [path]

    def close(self) -> None:
        try:
            self._release()
        finally:
            self._engine.give_back(self._database, self.raw)

    def _release(self) -> None:
        # A stream nobody read to its end, after a failure say, would block the connection.
        if self._unread is not None:
            self._unread.close()
            self._unread = None

    def _parquet(self, table: Table, files: Sequence[str], *, by_name: bool = True) -> str:
        self._reach(files[0])
        types = ", ".join(f"{literal(p)}: {table.by_name[p].sql}" for p in table.partition_by)
        hive = (
            f"hive_partitioning = true, hive_types = {{{types}}}" if table.partition_by else "hive_partitioning = false"
        )
        return f"read_parquet({literal(list(files))}, union_by_name = {literal(by_name)}, {hive})"

    def filtering_last(self) -> AbstractContextManager[None]:
        return self._without("filter_pushdown")

    @contextmanager
    def _without(self, optimizer: str) -> Iterator[None]:
        before = self._disabled
        try:
            self._disable((*before, optimizer))
            yield
        finally:
            self._disable(before)

    def _disable(self, optimizers: tuple[str, ...]) -> None:
        self._release()
        self.raw.execute(f"SET disabled_optimizers = {literal(','.join(optimizers))}")
        self._disabled = optimizers

    def _view(self, name: str, sql: str, *, label: str | None = None) -> None:
        with engine_errors(label or name):
            self.drop(name)
            self.raw.execute(f"CREATE TEMP VIEW {quote(name)} AS {sql}").fetchall()
            self._kinds[name.lower()] = "VIEW"

    def _reach(self, path: str) -> None:
        scheme = path.partition("://")[0] if "://" in path else ""
        if not scheme or scheme in self._database.filesystems:
            return
        # Imported late: a lake in a folder has no need of it.
        import fsspec

        self.raw.register_filesystem(fsspec.filesystem(scheme))
        self._database.filesystems.add(scheme)


def _columns(table: Table, without: Collection[str]) -> str:
    """A table's columns to be written; a list that is NULL and may not be fails, since a file does not say how many there are."""
    chosen = []
    for column in table.columns:
        if column.name in without:
            continue
        name = quote(column.name)
        if column.sql.endswith("[]") and not column.nullable:
            said = f"{OURS}table {table.name}, column {column.name}: expected a value, got NULL"
            name = f"CASE WHEN {name} IS NULL THEN error({literal(said)}) ELSE {name} END AS {name}"
        chosen.append(name)
    return ", ".join(chosen)


def _inside(table: Table, only: Mapping[str, str | date]) -> str:
    """A condition that fails the statement for a row without these values, and holds for every other."""
    said = literal(f"{OURS}table {table.name}: writing it failed, a row lies outside the partitions replaced")
    holds = [f"{quote(c)} = CAST({literal(str(v))} AS {table.by_name[c].sql})" for c, v in only.items()]
    return " AND ".join(f"CASE WHEN {each} THEN TRUE ELSE error({said}) END" for each in holds) or "TRUE"


def _plain(column: str, held: Mapping[str, str]) -> str:
    """A column of a file that holds columns of these types; what is nested as JSON, for text made of it is DuckDB's own."""
    kind = held.get(column)
    if kind is None:
        return "NULL"
    nested = kind.startswith(("STRUCT", "MAP", "UNION")) or (kind.endswith("]") and kind != "VARCHAR[]")
    return f"to_json({quote(column)})" if nested else quote(column)


def _translated(reader: pa.RecordBatchReader, name: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (pa.ArrowException, OSError) as error:
        if interrupted():
            raise KeyboardInterrupt from None
        # A failure while streaming arrives through Arrow, with DuckDB's text in it.
        _, ours, said = str(error).partition(OURS)
        if ours:
            raise ContractError(said) from None
        if "IO Error" in str(error) and (why := reach.reason(error)):
            raise why from None
        detail = MEMORY_HINT if "Out of Memory Error" in str(error) else type(error).__name__
        raise ContractError(f"{name} failed on DuckDB while streaming: {detail}") from None
    finally:
        reader.close()
