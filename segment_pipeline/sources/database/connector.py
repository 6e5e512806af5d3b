"""Databases SQLAlchemy speaks to: a table or a query, streamed, by a cursor column that says when a row was changed.

Rows whose cursor is NULL are in no window: they are pulled every time, and go to quarantine, so that they are missed by nobody.
Windows are whole days and half open, so that equal cursors are never torn apart.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import exc

from segment_pipeline.ahead import ahead
from segment_pipeline.connector import About, ConnectorKind, secret, value
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.landing import columns, fitting
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.holdable import Odd, made
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity, Kind
from segment_pipeline.landing.tabular import CANCELLED, GONE, Tabular
from segment_pipeline.landing.tabular_rows import KEYS, ROWS
from segment_pipeline.sources.database.drivers import lenient
from segment_pipeline.sources.database.told import told
from segment_pipeline.sources.database.windows import BOUNDS, Cursor, within

# What ends a statement, where only comments follow: it would end the subquery a query is made.
ENDING = re.compile(r";(?=(\s|--[^\n]*(\n|\Z)|/\*.*?\*/)*\Z)", re.DOTALL)
# What may stand before a statement's first word.
BEGINNING = re.compile(r"(\s|\(|--[^\n]*(\n|\Z)|/\*.*?\*/)*(?P<verb>\w*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class DatabaseTable(Tabular):
    """`table` (`shop.orders`), or `query`, one SELECT. The column named by `updated`, or else by `at`, is the cursor that windows
    are cut by: index it. `chunk`: rows held at once.

    `deletions`: each time all keys are read too, and what is not among them is closed: a customer or product gets `deleted_on`,
    an order is cancelled. The table must then be filled by nothing else of this source.
    """

    table: str = ""
    query: str = ""
    chunk: int = 50_000
    deletions: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.table) is bool(self.query):
            raise ConfigError(f"entity {self.name}: name a `table` or write a `query`, one of both")
        if self.query and (begins := BEGINNING.match(self.query)) and begins["verb"].upper() not in {"SELECT", "WITH"}:
            raise ConfigError(f"entity {self.name}: its `query` is no SELECT: nothing else is asked of a database")
        if self.deletions and self.kind is not Kind.MUTABLE:
            raise ConfigError(
                f"entity {self.name}: only what changes is compared for deletions: a snapshot closes by itself"
            )
        if self.deletions and not any({GONE, CANCELLED} & set(fill.declared.names) for fill in self.fills):
            raise ConfigError(f"entity {self.name}: nothing it fills can be closed: leave `deletions` out")

    @property
    def cursor(self) -> str:
        """What windows are cut by; empty: all there is, each time."""
        return "" if self.kind is Kind.SNAPSHOT else self.updated or self.at


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database by its SQLAlchemy URL, the driver named: `postgresql+psycopg://…`, `mysql+pymysql://…`."""

    about: ClassVar[About] = About(
        ConnectorKind.SOURCE,
        "Database",
        "tables and queries of PostgreSQL, MariaDB and whatever else SQLAlchemy speaks to",
        untested="Snowflake, BigQuery, Redshift and every other dialect but PostgreSQL, MariaDB and SQLite",
    )

    name: str = "database"
    tables: tuple[DatabaseTable, ...]
    url: str = secret("DATABASE_SOURCE_URL", "SQLAlchemy URL of the database, with a user who may only read")
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        return tuple(fitting.entity(table, self.name) for table in self.tables)

    def secrets_present(self) -> None:
        value(self, "url")

    def check(self) -> None:
        with self._connected(self.tables[0].chunk) as connection:
            for table in self.tables:
                with told(f"{self.name}/{table.name}"):
                    connection.execute(_selected(table).limit(1)).all()

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        table = next(each for each in self.tables if each.name == entity.name)
        where = f"{self.name}/{table.name}"
        with self._connected(table.chunk) as connection, told(where):
            rows = _Streamed(where, connection, table.chunk, into)
            wanted, notes = _selected(table), list[str]()
            if table.cursor:
                cursor = Cursor(table.cursor, table.types.get(table.cursor), _newest(connection, table))
                wanted = wanted.where(within(where, cursor, window, timezone))
                if cursor.unordered:
                    notes.append(f"its cursor {cursor.name} is text in a form of its own: all rows are read each time")
            found = rows.stream(wanted, ROWS)
            if table.deletions:
                keys = _keys(table)
                if not rows.stream(_selected(table, keys), KEYS).rows and into.held:
                    raise ContractError(
                        f"{where}: it has no rows at all, and had some: nothing was written; an empty table is not taken for"
                        " the deletion of everything"
                    )
            return into.finish(requests=1 + table.deletions, extracts=[found], notes=notes)

    @contextmanager
    def _connected(self, chunk: int) -> Iterator[sa.Connection]:
        with told(self.name):
            engine = _engine(value(self, "url"), self.name, self.options)
        try:
            with told(self.name), engine.connect() as connection:
                yield connection.execution_options(stream_results=True, max_row_buffer=chunk, yield_per=chunk)
        finally:
            engine.dispose()


class _Streamed:
    """Result sets on their way into raw files, a chunk at a time."""

    def __init__(self, where: str, connection: sa.Connection, chunk: int, into: RawPages) -> None:
        self._where, self._connection, self._chunk, self._into = where, connection, chunk, into

    def stream(self, query: sa.Select[Any], part: str) -> Extract:
        with closing(self._connection.execute(query)) as result:
            names = list(result.keys())
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ConfigError(f"{self._where}: its rows have the column {', '.join(twice)} twice: name one with AS")
            # One chunk is written while the database is asked for the next.
            written = ahead(lambda chunk: self._write(part, names, chunk), result.partitions(self._chunk))
            pieces = list(written)
        if not pieces:
            pieces.append(self._write(part, names, ()))
        return columns.together(self._where, pieces)

    def _write(self, part: str, names: Sequence[str], chunk: Sequence[Sequence[Any]]) -> Extract:
        odd = Odd()
        rows = _table(self._where, names, chunk, odd) if chunk else pa.table({name: pa.nulls(0) for name in names})
        written = columns.write(self._into.path(part, ".parquet"), rows.schema, rows.to_batches())
        written.odd.add(odd)
        self._into.written(part, written)
        return Extract("", written.columns, written.rows)


def _engine(url: str, name: str, options: Mapping[str, Any]) -> sa.Engine:
    try:
        return lenient(sa.create_engine(url, **options))
    except (ImportError, exc.NoSuchModuleError) as error:
        module = getattr(error, "name", "") or "the dialect its URL names"
        raise ConfigError(f"{name}: its driver is not installed: pip install {module}") from None
    except exc.ArgumentError:
        raise ConfigError(
            f"{name}: its URL cannot be read: write it like postgresql+psycopg://user:password@host/database"
        ) from None


def _selected(table: DatabaseTable, only: Sequence[str] = ()) -> sa.Select[Any]:
    """All columns, or only some, of a table or query."""
    names: list[sa.ColumnClause[Any]] = [sa.column(name) for name in only]
    if table.query:
        # Colons are not parameters here; a comment at the end ends with its line, before the subquery does.
        text = re.sub(r"(?<!:):(?=\w)", r"\:", ENDING.sub("", table.query)) + "\n"
        source: sa.FromClause = sa.text(text).columns(*names).subquery("q")
    else:
        *schema, plain = table.table.split(".")
        source = sa.table(plain, *names, schema=".".join(schema) or None)
    return (sa.select(*names) if names else sa.select(sa.text("*"))).select_from(source)


def _newest(connection: sa.Connection, table: DatabaseTable) -> Any:
    """The greatest value of the cursor that can be read; None: it has no value at all."""
    cursor: sa.ColumnClause[Any] = sa.column(table.cursor)
    query = _selected(table).with_only_columns(sa.func.max(cursor), sa.func.count(cursor))
    newest, held = connection.execute(query).one()
    if newest is None and held:
        # `infinity` and the like stand above every day there is.
        days = cursor.between(date(*BOUNDS[0]), date(*BOUNDS[1]))
        newest = connection.execute(query.where(days)).first()[0]  # type: ignore[index]  # of an aggregate there is one row
        if newest is None:
            raise ContractError(f"{table.name}: no value of its cursor {table.cursor} is a day that can be read")
    return newest


def _keys(table: DatabaseTable) -> list[str]:
    """The columns that are mapped to keys."""
    givens = [fill.columns.get(name) for fill in table.fills for name in fill.identity]
    return list(dict.fromkeys(given for given in givens if isinstance(given, str)))


def _table(where: str, names: Sequence[str], rows: Sequence[Sequence[Any]], odd: Odd) -> pa.Table:
    """Rows as columns; what could not be held is added to `odd`."""
    arrays = []
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            arrays.append(made(values, _array, odd))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            raise ContractError(
                f"{where}: the column {name} holds values of several types: cast it to one in a `query`"
            ) from None
    return pa.table(arrays, names=list(names))


def _array(values: Sequence[Any]) -> pa.Array:
    first = next((each for each in values if each is not None), None)
    if isinstance(first, datetime):
        # Left to itself, Arrow takes the first value's zone for all, and offsets differ between summer and winter.
        return pa.array(values, pa.timestamp("us", tz="UTC" if first.tzinfo is not None else None))
    if (
        first is not None
        and not isinstance(first, bool | int | float | str | bytes | date | list)
        and not _decimal(first)
    ):
        # What a driver makes of its own types (UUID, INET, an interval) is text here; documents are JSON.
        return pa.array([None if each is None else _text(each) for each in values], pa.string())
    return pa.array(values)


def _decimal(held: Any) -> bool:
    return type(held).__name__ == "Decimal"


def _text(held: Any) -> str:
    return json.dumps(held, ensure_ascii=False, default=str) if isinstance(held, dict | tuple) else str(held)


CONNECTOR = Database
