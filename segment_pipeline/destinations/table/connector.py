"""A table of the company's own database: one row per audience and member, with typed columns for what goes along.

By SQLAlchemy's own constructs, so that what a database calls things is its dialect's business; no value stands in a statement's text.
"""

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError

from segment_pipeline import clock
from segment_pipeline.connector import About, ConnectorKind, require, secret, value
from segment_pipeline.databases import open_engine, transaction
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import (
    AudienceGone,
    Batch,
    Capabilities,
    IdentifierRule,
    Operation,
    Receipt,
)
from segment_pipeline.delivery.identified import Form, every, identified
from segment_pipeline.delivery.replacing import with_the_last
from segment_pipeline.delivery.vendor import variable
from segment_pipeline.destinations.table.tables import AUDIENCE, IDENTIFIER, KEY, LONGEST, UPDATED, Tables
from segment_pipeline.destinations.table.values import KINDS, as_held, kinds_of
from segment_pipeline.errors import ConfigError, RejectedRecords, TransientError

_ROWS: Final = 5_000
_AT_ONCE: Final = 500  # values of one IN
Kind = Literal["text", "integer", "number", "boolean", "date"]


@dataclass(frozen=True, kw_only=True)
class AudienceTable:
    """Audiences as rows of a table: `audience`, `member_key`, the identifiers, `updated_at` (UTC), and a column per attribute.

    The table, and beside it `<table>_audiences`, is made where it is missing; one that has other columns is refused. Rows are changed by
    key, each batch in one transaction; what leaves is deleted.
    `url`: with the driver named, `postgresql+psycopg://…`, `mysql+pymysql://…`, of a user who may make tables or finds them made.
    `table`: its name, behind a schema and a full stop where it has one.
    `columns`: attribute → `text`, `integer`, `number`, `boolean` or `date`, and no others; None: a column is made for each attribute that
    comes, of the kind its values have in JSON (`2026-11-30` is a date).
    `identifiers`: some of `email`, `phone`, `external_id` (ours) and `user_id:<source>` (what a customer of that source is called
    there); `form`: of e-mail and phone, `plain` or `sha256` in hex.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Table",
        "rows of a table of PostgreSQL, MariaDB or whatever else SQLAlchemy speaks to",
        untested="DuckDB, Snowflake, BigQuery, Redshift and every other dialect but PostgreSQL, MariaDB and SQLite",
        oracle="servers of PostgreSQL and MariaDB, and SQLite",
    )
    name: str = "table"
    url: str = secret("TABLE_DESTINATION_URL", "SQLAlchemy URL of the database, with a user who may write there")
    table: str = "audience_members"
    channel: str = "email"
    identifiers: Sequence[str] = ("email", "phone")
    form: Form = "plain"
    columns: Mapping[str, Kind] | None = field(default=None, hash=False)
    _rules: tuple[IdentifierRule, ...] = field(init=False, repr=False, compare=False)
    _tables: Tables = field(init=False, repr=False, compare=False)
    _engines: list[Engine] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        if unknown := {*(self.columns or {}).values()} - {*KINDS}:
            raise ConfigError(f"{self.name}: `columns` has {', '.join(sorted(unknown))}: a kind is {', '.join(KINDS)}")
        rules = identified(self.identifiers, self.form, of=self.name)
        object.__setattr__(self, "_rules", rules)
        tables = Tables(self.table, [rule.column for rule in rules], self.columns, self.name)
        object.__setattr__(self, "_tables", tables)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel,
            identifiers=self._rules,
            batch_rows=_ROWS,
            batch_bytes=16 * 1024 * 1024,
            every=every(self._rules),
            attributes=True,
        )

    def secrets_present(self) -> None:
        require(self)
        self._engine()

    def check(self) -> None:
        """The database lets us in, and a table of that name is ours or yet to be made."""
        with self._transaction() as connection:
            self._tables.found(connection)

    def ensure_audience(self, name: str) -> str:
        self._fits(name)
        with self._transaction() as connection:
            self._tables.make(connection)
            audiences = self._tables.audiences
            known = {row[AUDIENCE]: row[IDENTIFIER] for row in connection.execute(sa.select(audiences)).mappings()}
            if name not in known:
                known[name] = uuid.uuid4().hex
                connection.execute(audiences.insert().values({IDENTIFIER: known[name], AUDIENCE: name}))
        return str(known[name])

    def apply(self, batch: Batch) -> Receipt:
        """One transaction: all of the batch, or nothing."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        rows, rejected = self._fit(batch)
        if rows.num_rows:
            with self._transaction() as connection:
                name = self._named(connection, batch.remote_id)
                if batch.operation is Operation.UPSERT:
                    self._upsert(connection, name, rows)
                else:
                    self._delete(connection, name, rows.column("key").to_pylist())
        return Receipt.final(batch, rejected, requests=min(1, rows.num_rows))

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """All batches in one transaction, with the last of them."""
        return with_the_last(batches, self._fit, self._put, most=_ROWS, name=self.name, requests=1)

    def forget(self, batch: Batch) -> Receipt:
        """Delete whoever has one of the identifiers, from all audiences."""
        rows, rejected = self._fit(batch)
        with self._transaction() as connection:
            if self._tables.found(connection) is not None:
                table = self._tables.rows({})
                for rule in self._rules:
                    given = rows.column(rule.column).drop_null().to_pylist()
                    for some in _parts(given):
                        connection.execute(table.delete().where(table.c[rule.column].in_(some)))
        return Receipt.final(batch, rejected, requests=1)

    def count(self, remote_id: str) -> int:
        with self._transaction() as connection:
            table, name = self._tables.rows({}), self._named(connection, remote_id)
            counted = sa.select(sa.func.count()).select_from(table).where(table.c[AUDIENCE] == name)
            return int(connection.execute(counted).scalar_one())

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        columns = self._columns
        with self._transaction() as connection:
            table, name = self._tables.rows({}), self._named(connection, remote_id)
            query = sa.select(*(table.c[column] for column in columns)).where(table.c[AUDIENCE] == name)
            for some in connection.execution_options(yield_per=_ROWS).execute(query).partitions():
                held = [pa.array(values, pa.string()) for values in zip(*some, strict=True)]
                yield pa.table([*held, pa.nulls(len(some), pa.string())], names=[*columns, "vendor_id"])

    def rename(self, remote_id: str, name: str) -> None:
        self._fits(name)
        with self._transaction() as connection:
            before = self._named(connection, remote_id)
            audiences = self._tables.audiences
            taken = sa.select(audiences.c[AUDIENCE]).where(audiences.c[AUDIENCE] == name)
            if name != before and connection.execute(taken).scalar() is not None:
                raise ConfigError(f"{self.name} has another audience {name}: rename or delete that one there")
            for table in (self._tables.rows({}), self._tables.audiences):
                connection.execute(table.update().where(table.c[AUDIENCE] == before).values({AUDIENCE: name}))

    def delete(self, remote_id: str) -> None:
        with suppress(AudienceGone), self._transaction() as connection:
            name = self._named(connection, remote_id)
            for table in (self._tables.rows({}), self._tables.audiences):
                connection.execute(table.delete().where(table.c[AUDIENCE] == name))

    def close(self) -> None:
        while self._engines:
            self._engines.pop().dispose()

    def _fits(self, name: str) -> None:
        if len(name) > LONGEST:
            raise ConfigError(f"{self.name}: an audience's name has {LONGEST} characters at most: set a `remote_name`")

    def _fit(self, batch: Batch) -> tuple[pa.Table, dict[str, str]]:
        return bodies.refuse_nobody(batch, *self._columns)

    @property
    def _columns(self) -> list[str]:
        return [rule.column for rule in self._rules]

    def _named(self, connection: Connection, remote_id: str) -> str:
        """The audience of an id. Raises AudienceGone, also where somebody has dropped the tables."""
        audiences = self._tables.audiences
        there = sa.inspect(connection).has_table(audiences.name, schema=audiences.schema)
        if there and self._tables.found(connection) is not None:
            query = sa.select(audiences.c[AUDIENCE]).where(audiences.c[IDENTIFIER] == remote_id)
            if (name := connection.execute(query).scalar()) is not None:
                return str(name)
        raise AudienceGone(f"{self.name} no longer has audience {remote_id}: resend it to make it anew")

    def _upsert(self, connection: Connection, name: str, rows: pa.Table) -> None:
        """An attribute that is not said stays as it is, null empties it."""
        told = [json.loads(text) if text else {} for text in rows.column("attributes").to_pylist()]
        # First of all: some databases end a transaction by making a column.
        kinds = self._tables.with_room(connection, kinds_of(told))
        table, now = self._tables.rows(kinds), clock.now()
        members = rows.select(["key", *self._columns]).rename_columns([KEY, *self._columns])
        there = self._there(connection, table, name, rows.column("key").to_pylist())
        bound = _unlike(table.c.keys())
        new, changed = list[dict[str, Any]](), dict[tuple[str, ...], list[dict[str, Any]]]()
        for member, said in zip(members.to_pylist(), told, strict=True):
            values = {n: as_held(held, kinds[n]) for n, held in said.items() if n in kinds}
            if member[KEY] in there:
                given = {f"{bound}{place}": held for place, held in enumerate((member[KEY], *values.values()))}
                changed.setdefault(tuple(values), []).append(given)
            else:
                new.append({**dict.fromkeys(kinds), **member, **values, AUDIENCE: name, UPDATED: now})
        if new:
            connection.execute(table.insert(), new)
        for attributes, some in changed.items():
            here = table.update().where(table.c[AUDIENCE] == name, table.c[KEY] == sa.bindparam(f"{bound}0"))
            values = {n: sa.bindparam(f"{bound}{place}") for place, n in enumerate(attributes, 1)}
            connection.execute(here.values({UPDATED: now, **values}), some)

    def _put(self, batch: Batch, parts: Sequence[pa.Table]) -> None:
        wanted = {key for rows in parts for key in rows.column("key").to_pylist()}
        with self._transaction() as connection:
            name, table = self._named(connection, batch.remote_id), self._tables.rows({})
            for rows in parts:
                if rows.num_rows:
                    self._upsert(connection, name, rows)
            held = connection.execute(sa.select(table.c[KEY]).where(table.c[AUDIENCE] == name)).scalars()
            self._delete(connection, name, [key for key in held if key not in wanted])

    def _there(self, connection: Connection, table: sa.Table, name: str, keys: Sequence[str]) -> set[str]:
        """Which of these are members already."""
        query = sa.select(table.c[KEY]).where(table.c[AUDIENCE] == name)
        found = (connection.execute(query.where(table.c[KEY].in_(some))).scalars() for some in _parts(keys))
        return {key for some in found for key in some}

    def _delete(self, connection: Connection, name: str, keys: Sequence[str]) -> None:
        table = self._tables.rows({})
        for some in _parts(keys):
            connection.execute(table.delete().where(table.c[AUDIENCE] == name, table.c[KEY].in_(some)))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """What was asked of a database that did not answer may have been done; what it takes no row of is refused for some row."""
        hint, reached = "may its user make tables, and write and delete there?", False
        try:
            with transaction(self._engine(), what=f"{self.name}: its database", hint=hint) as connection:
                reached = True
                try:
                    yield connection
                except IntegrityError:
                    raise TransientError(f"{self.name}: another process wrote the same rows: try again") from None
                except DataError:
                    raise RejectedRecords(f"{self.name}: its database takes some value of a batch not") from None
        except TransientError as error:
            error.sent = reached
            raise

    def _engine(self) -> Engine:
        if not self._engines:
            setting = variable(self, "url")
            self._engines.append(open_engine(value(self, "url"), what=f"{self.name}: its database", setting=setting))
        return self._engines[0]


CONNECTOR = AudienceTable


def _unlike(columns: Collection[str]) -> str:
    """The beginning of names that are no column's: SQLAlchemy has columns' names for itself."""
    tried = ("b" * n for n in count(1))
    return next(start for start in tried if not any(column.startswith(start) for column in columns))


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[first : first + _AT_ONCE] for first in range(0, len(values), _AT_ONCE))
