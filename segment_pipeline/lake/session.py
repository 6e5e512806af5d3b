"""A session with the lake: views over pinned versions of tables, and the few ways rows get into them.

Knows no table's meaning. Every write is one Delta commit; a conflicting writer is re-read and retried.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pyarrow as pa
from deltalake import DeltaTable

from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError
from segment_pipeline.lake import commits, storage
from segment_pipeline.lake.commits import retried
from segment_pipeline.lake.dialect import Value, literal, quote
from segment_pipeline.lake.engine import Connection, Partitions, WriteTarget
from segment_pipeline.lake.schema import Table
from segment_pipeline.lake.statements import Statement, trusted
from segment_pipeline.lake.tables import computed, table

if TYPE_CHECKING:
    from segment_pipeline.lake.lake import Lake

# Of the marks of empty snapshots, each with its day.
EMPTY: Final = "empty"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """What one commit left. `rows`: rows written; `version`: the Delta version of the commit.

    `overruled`: rows landed at once that share their key with others of them, differ, and were left out for those.
    """

    table: str
    rows: int
    version: int
    overruled: int = 0


class Session:
    """Named views over pinned tables, and writes. Not thread-safe; one per asset body."""

    def __init__(
        self, lake: "Lake", connection: Connection, pins: dict[str, int], in_hand: dict[str, DeltaTable] | None = None
    ) -> None:
        self.lake, self.connection, self.pins = lake, connection, pins
        # Tables in this session's hand, at whatever version: what they are read at is in `pins`.
        self.in_hand: dict[str, DeltaTable] = {} if in_hand is None else in_hand

    def close(self) -> None:
        try:
            self.connection.close()
        finally:
            for name, delta in self.in_hand.items():
                self.lake.opened.give_back(name, delta)

    @property
    def inputs(self) -> str:
        """Versions of the tables read so far, as canonical JSON."""
        return json.dumps(self.pins, sort_keys=True)

    def scan(
        self,
        name: str,
        *,
        days: Window | None = None,
        until: date | None = None,
        partitions: Partitions | None = None,
        alias: str | None = None,
        lost: bool | None = None,
    ) -> None:
        """Make a table's rows a view named `alias` (default: the table's name), reading only the partitions asked for.

        `days`: rows stored under these days; `until`: under this day or earlier; `partitions`: these partition values.
        A table nobody wrote yet is an empty view. One that is lost raises LostTable, unless it is computed, so that it can be made
        again; with `lost` False it raises anyway, with True it is an empty view as well.
        Scanning again replaces the view, at the same version.
        """
        declared = table(name)
        empty = computed(name) if lost is None else lost
        if not empty and self._pinned(declared) is None and self.lake.opened.lost(name):
            raise storage.LostTable.named(name)
        files = [file.path for file in self._files(declared, days, until, partitions)]
        delta = self._pinned(declared) if files else None
        self.connection.scan(alias or name, declared, files, held=storage.held_by_all(delta) if delta else None)

    def _pinned(self, declared: Table) -> DeltaTable | None:
        version = self.pins.get(declared.name)
        opened = self.in_hand.get(declared.name)
        if opened is not None and opened.version() == version:
            return opened
        delta = self._newest(declared.name)
        if delta is not None and version is not None and delta.version() != version:
            delta = storage.open_table(self.lake.uri(declared.name), self.lake.storage_options, version=version)
        if delta is not None:
            storage.check_types(delta, declared)
            self.pins[declared.name] = delta.version()
            self.in_hand[declared.name] = delta
        return delta

    def _newest(self, name: str) -> DeltaTable | None:
        """The table at its newest version, in this session's hand from now on."""
        opened = self.in_hand.pop(name, None)
        delta = storage.renewed(opened, name) if opened is not None else self.lake.opened.take(name)
        if delta is not None:
            self.in_hand[name] = delta
        return delta

    def _to_write(self, declared: Table) -> DeltaTable:
        # Before the work: a table that cannot be written to is found out in no time.
        delta = self.lake.opened.take_to_write(
            declared, self.in_hand.pop(declared.name, None), anew=computed(declared.name)
        )
        self.in_hand[declared.name] = delta
        return delta

    def _files(
        self, declared: Table, days: Window | None, until: date | None, partitions: Partitions | None
    ) -> list[storage.DataFile]:
        delta = self._pinned(declared)
        if delta is None:
            return []
        found = storage.files(delta, declared, partitions)
        if days is not None:
            found = [file for file in found if file.partition["day"] in days]
        if until is not None:
            found = [file for file in found if file.partition["day"] <= until]
        return found

    def register(self, name: str, rows: pa.Table) -> None:
        """Make an Arrow table a view."""
        self.connection.register(name, rows)

    def given(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]] = ()) -> None:
        """Make a few rows a view, of columns by name and SQL type. Arrow imports pandas for what it makes of Python's values."""
        types = list(columns.items())
        if not rows:
            empty = ", ".join(f"CAST(NULL AS {kind}) AS {quote(column)}" for column, kind in types)
            self.define(name, f"SELECT {empty} WHERE FALSE")
            return
        cast = ", ".join(f"CAST({quote(column)} AS {kind}) AS {quote(column)}" for column, kind in types)
        values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
        named = ", ".join(quote(column) for column, _ in types)
        self.define(name, trusted(name, f"SELECT {cast} FROM (VALUES {values}) AS given({named})"))

    def records(self, name: str, files: Sequence[Path], path: Sequence[str]) -> None:
        """Make the records in raw JSON pages a view with one column, `record`; `path` empty: JSON lines."""
        self.connection.records(name, [str(file) for file in files], path)

    def parquet(self, name: str, files: Sequence[Path], columns: Mapping[str, str], *, file: str = "") -> None:
        """Make Parquet files a view of these columns, by name and SQL type; what else they hold is not read.

        A column that some files lack is NULL there. `file`: a further column, the name of the file a row stands in.
        """
        self.connection.parquet(name, [str(each) for each in files], columns, file=file)

    def define(self, name: str, query: Statement | str, *, materialize: bool = False, **values: Value) -> None:
        """Make a query a view, or with `materialize` a temporary table: for what is read more than once."""
        label = f"{query.name} as {name}" if isinstance(query, Statement) else name
        as_written = isinstance(query, Statement) and query.as_written
        self.connection.define(name, _text(query, values), materialize=materialize, as_written=as_written, label=label)

    def drop(self, name: str) -> None:
        self.connection.drop(name)

    def reader(self, query: Statement | str, **values: Value) -> pa.RecordBatchReader:
        """A query's rows as a stream; read it to its end before the next call on this session."""
        return self.connection.reader(_text(query, values), name=_name(query))

    def table(self, query: Statement | str, **values: Value) -> pa.Table:
        """A query's rows in memory: for results known to be small."""
        return self.connection.table(_text(query, values), name=_name(query))

    def rows(self, query: Statement | str, **values: Value) -> list[dict[str, Any]]:
        """A query's rows as dictionaries: for a handful."""
        result: list[dict[str, Any]] = self.table(query, **values).to_pylist()
        return result

    def value(self, query: Statement | str, **values: Value) -> Any:
        """The one value of a query that gives one row of one column; raises ContractError otherwise."""
        result = self.table(query, **values)
        if result.shape != (1, 1):
            raise ContractError(
                f"{_name(query)} was to give one value and gave {result.num_rows} rows of {result.num_columns}"
            )
        return result.column(0)[0].as_py()

    def repeats(self, query: str, key: Sequence[str]) -> bool:
        """Whether rows of a query share these columns' values; hardly ever, True where none do.

        Their hashes are told apart: the values of ten million rows would not fit into memory beside all else.
        """
        hashed = f"hash({', '.join(map(quote, key))})"
        return bool(self.value(f"SELECT count(*) > count(DISTINCT {hashed}) FROM ({query})"))

    def differing(self, query: str, key: Sequence[str]) -> int:
        """How many rows of a query are too many, where those that share these columns' values differ in another."""
        if not self.repeats(query, key):
            return 0
        hashed = f"hash({', '.join(map(quote, key))})"
        return int(self.value(f"SELECT count(*) - count(DISTINCT {hashed}) FROM (SELECT DISTINCT * FROM ({query}))"))

    def replace(
        self,
        name: str,
        query: Statement | str,
        partitions: Partitions | None = None,
        *,
        marker: tuple[str, int] | None = None,
        **values: Value,
    ) -> Written:
        """Replace the rows of these partitions (None: the whole table) by a query's rows, in one commit.

        Raises ContractError when columns or types are not the declared ones, or a row lies outside the partitions.
        Where this session has read the table, the rows are taken to be made from what it read: ConflictError when somebody
        changed these partitions since (or the table, when all of it is replaced); see `again`. Otherwise the last writer wins.
        """
        sql = self._in_order(name, _text(query, values))

        def attempt() -> Written:
            return self._write(name, sql, partitions, append=False, marker=marker, label=_name(query))

        return attempt() if name in self.pins else retried(attempt)

    def mark_snapshot(self, name: str, day: date, rows: int) -> None:
        """Say of a snapshot that was written whether it is empty: it leaves no file to tell it from one that was never made."""
        declared = table(name)
        delta, marker = self._to_write(declared), f"{EMPTY}/{day}"
        if rows and delta.transaction_version(marker) != 1:
            return
        number = 2 if rows else 1

        def attempt() -> None:
            commits.commit([], self._target(declared, None, append=True, marker=(marker, number)))

        retried(attempt)
        self.pins.pop(name, None)

    def is_empty_snapshot(self, name: str, day: date) -> bool:
        """Whether a table's snapshot of a day was made and has no rows."""
        delta = self._pinned(table(name))
        return delta is not None and delta.transaction_version(f"{EMPTY}/{day}") == 1

    def again(self, name: str, attempt: Callable[[], T]) -> T:
        """Read, compute and replace: calls `attempt`, and again with the newest version while another writer was first.

        `attempt` scans the table itself, so that each call sees what the other writer left.
        """

        def fresh() -> T:
            self.pins.pop(name, None)
            return attempt()

        return retried(fresh)

    def append(
        self, name: str, query: Statement | str, *, marker: tuple[str, int] | None = None, **values: Value
    ) -> Written:
        """Add a query's rows. Only for rows whose key cannot be there yet."""
        sql = self._in_order(name, _text(query, values))
        return retried(lambda: self._write(name, sql, None, append=True, marker=marker, label=_name(query)))

    def land(
        self, name: str, query: Statement | str, source: str, *, wholes: tuple[str, str] | None = None, **values: Value
    ) -> Written:
        """The landing write: each (source, day) partition concerned becomes distinct(what it held plus the new rows).

        Landing the same rows again, in any order or grouping, leaves the same table. Rows that share the key but differ
        are resolved to the one that is latest by the table's `latest_by`, and then to the one whose columns sort highest, so
        that the order of landing cannot matter. `wholes`: the table whose rows these are part of, and a view of those that land
        with them: of each only the parts of its latest landing stay, so that one that is gone from it goes here.
        """
        declared = table(name)
        if declared.partition_by != ("source", "day"):
            raise ContractError(f"table {name} is not partitioned by source and day: use replace")
        label = _name(query)
        wanted = self._in_order(name, _text(query, values))
        self.connection.define("_landing", wanted, materialize=True, label=f"{label}, landing in {name},")
        storage.check_schema(self.table("SELECT * FROM _landing WHERE FALSE").schema, declared)
        held = self.rows("SELECT source, day, count(*) AS rows FROM _landing GROUP BY source, day ORDER BY day")
        if strangers := sum(row["rows"] for row in held if row["source"] != source):
            raise ContractError(f"{label}: {strangers} rows for table {name} do not belong to source {source}")
        days = [row["day"] for row in held]
        if None in days:
            raise ContractError(f"table {name}, column day: expected a value, got NULL")
        if wholes:
            days = sorted({*days, *(row["day"] for row in self.rows(f"SELECT DISTINCT day FROM {quote(wholes[1])}"))})
        self._to_write(declared)
        try:
            return self.again(name, lambda: self._land(declared, source, days, label, wholes))
        finally:
            for view in ("_landing", "_landed", "_news", "_overtaken", "_wholes"):
                self.drop(view)

    def _land(
        self, declared: Table, source: str, days: list[date], label: str, wholes: tuple[str, str] | None
    ) -> Written:
        name = declared.name
        columns = ", ".join(quote(column) for column in declared.names)
        self.scan(name, partitions={"source": [source], "day": days}, alias="_landed")
        stays = self._overtaken(declared, source, days, wholes) if wholes else "TRUE"
        news, changed = "_landing", days
        # To compare whole rows is the dearest step here, and days nobody has stored have nothing to compare with.
        if self.value("SELECT count(*) FROM _landed"):
            # Mostly a window is landed again with a few new rows, or none: days without news are not written.
            # Of a key that lands under two days one row stayed the last time: the other is no news.
            landing = self._latest(f"SELECT {columns} FROM _landing", declared)
            new = f"SELECT {columns} FROM ({landing}) AS r WHERE {stays} EXCEPT SELECT {columns} FROM _landed"
            news, gone = "_news", f"SELECT DISTINCT day FROM _landed AS r WHERE NOT {stays}"
            self.define(news, new, materialize=True)
            changed = [row["day"] for row in self.rows(f"SELECT DISTINCT day FROM _news UNION {gone} ORDER BY day")]
        if not changed:
            version = self.pins.pop(name)
            return Written(name, 0, version)
        partitions: Partitions = {"source": [source], "day": changed}
        if changed != days:
            self.scan(name, partitions=partitions, alias="_landed")
        merged = f"SELECT {columns} FROM _landed AS r WHERE {stays} UNION ALL SELECT {columns} FROM {news} AS r WHERE {stays}"
        overruled = 0
        if self.repeats(merged, declared.key):
            overruled = self.differing(f"SELECT {columns} FROM _landing", declared.key)
            merged = self._latest(merged, declared, repeated=True)
        written = self._write(name, merged, partitions, append=False, marker=None, label=label)
        return replace(written, overruled=overruled)

    def _latest(self, rows: str, declared: Table, *, repeated: bool = False) -> str:
        """The rows, of those that share the key the latest alone. `repeated`: some do."""
        if not repeated and not self.repeats(rows, declared.key):
            return rows
        columns, key = (", ".join(map(quote, names)) for names in (declared.names, declared.key))
        rest = [quote(c) for c in declared.names if c not in {*declared.key, declared.latest_by}]
        rest = [quote(declared.latest_by), *rest] if declared.latest_by else rest
        order = ", ".join(f"{column} DESC NULLS LAST" for column in rest) or "1"
        ranked = f"SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS _rank FROM ({rows})"
        return f"SELECT {columns} FROM ({ranked}) WHERE _rank = 1"

    def _overtaken(self, declared: Table, source: str, days: list[date], wholes: tuple[str, str]) -> str:
        """A condition on rows `r`: that what they are part of is not known from a later landing than theirs."""
        whole, view = table(wholes[0]), wholes[1]
        on = [column for column in whole.key if column != "source"]
        named, at = ", ".join(map(quote, on)), quote(declared.latest_by)
        self.scan(whole.name, partitions={"source": [source], "day": days}, alias="_wholes")
        # Few are known from two landings, and of a first landing none.
        self.define(
            "_overtaken",
            f"SELECT {named}, max({at}) AS {at} FROM (SELECT {named}, {at} FROM _wholes UNION SELECT {named}, {at} FROM {quote(view)})"
            f" GROUP BY {named} HAVING count(*) > 1",
            materialize=True,
        )
        if not self.value("SELECT count(*) FROM _overtaken"):
            return "TRUE"
        same = " AND ".join(f"o.{column} = r.{column}" for column in map(quote, on))
        return f"NOT EXISTS (SELECT 1 FROM _overtaken AS o WHERE {same} AND coalesce(o.{at} > r.{at}, TRUE))"

    def erase(self, name: str, keys: str, on: Sequence[str]) -> int:
        """Remove the rows of a table whose `on` columns equal those of a row in the view `keys`; returns how many.

        Joins a key table and rewrites the partitions concerned: no identifier ever stands in the Delta log.
        """
        declared = table(name)

        def attempt() -> int:
            self.scan(name, alias="_erasing")
            same = " AND ".join(f"e.{quote(column)} = k.{quote(column)}" for column in on)
            hit = f"EXISTS (SELECT 1 FROM {quote(keys)} AS k WHERE {same})"
            columns = ", ".join(f"e.{quote(column)}" for column in declared.names)
            gone = int(self.value(f"SELECT count(*) FROM _erasing AS e WHERE {hit}"))
            if not gone:
                return 0
            partitions: Partitions | None = None
            if declared.partition_by:
                names = ", ".join(f"e.{quote(column)}" for column in declared.partition_by)
                concerned = self.rows(f"SELECT DISTINCT {names} FROM _erasing AS e WHERE {hit}")
                partitions = {column: sorted({row[column] for row in concerned}) for column in declared.partition_by}
            self.scan(name, partitions=partitions, alias="_erasing")
            kept = f"SELECT {columns} FROM _erasing AS e WHERE NOT {hit}"
            self._write(name, kept, partitions, append=False, marker=None, label=f"erasure from {name}")
            return gone

        return self.again(name, attempt)

    def _write(
        self,
        name: str,
        sql: str,
        partitions: Partitions | None,
        *,
        append: bool,
        marker: tuple[str, int] | None,
        label: str,
    ) -> Written:
        target = self._target(table(name), partitions, append=append, marker=marker)
        rows, version = self.connection.write(sql, target, name=label)
        self.pins.pop(name, None)
        return Written(name, rows, version)

    def _target(
        self, declared: Table, partitions: Partitions | None, *, append: bool, marker: tuple[str, int] | None
    ) -> WriteTarget:
        return WriteTarget(
            table=declared,
            uri=self.lake.uri(declared.name),
            delta=self._to_write(declared),
            partitions=partitions or None,
            append=append,
            marker=marker,
            base=self.pins.get(declared.name),
            storage_options=self.lake.storage_options,
        )

    def _in_order(self, name: str, sql: str) -> str:
        held = {column for column, _ in self.connection.columns(sql, name=f"query for {name}")}
        wanted = table(name).columns
        missing = sorted(c.name for c in wanted if c.name not in held and not (c.implied or c.derived))
        surplus = sorted(held - set(table(name).names))
        if missing or surplus:
            raise ContractError(f"query for table {name}: missing columns {missing}, undeclared columns {surplus}")
        return f"SELECT {', '.join(column.selected(is_held=column.name in held) for column in wanted)} FROM ({sql})"


def _text(query: Statement | str, values: Mapping[str, Value]) -> str:
    if isinstance(query, Statement):
        return query.bound(**values)
    return Statement("query", query).bound(**values)


def _name(query: Statement | str) -> str:
    return query.name if isinstance(query, Statement) else "query"
