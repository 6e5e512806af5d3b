"""The database tables are published to: opened, locked for one publisher at a time, with a table that says what it holds.

Tables of that database which are not in its bookkeeping were made by somebody else, and are never touched.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import AddConstraint, CreateSchema

from segment_pipeline.databases import open_engine, transaction
from segment_pipeline.errors import ConfigError
from segment_pipeline.publishing.shape import INDEXES, Shape
from segment_pipeline.publishing.snapshots import Snapshot
from segment_pipeline.settings import Settings

BOOKKEEPING = "segment_pipeline_published"
WHAT = "the database of SEGMENT_PIPELINE_PUBLISH"
# Databases whose column types come back as they were declared; of others only the columns' names are compared.
SPELLS_TYPES_BACK = ("postgresql", "sqlite")


@dataclass(frozen=True, slots=True)
class Record:
    """What a published table holds, by the bookkeeping."""

    snapshot: Snapshot
    rows: int


class Target:
    """Where tables are published to. `schema` None: where the database puts a table that names none."""

    def __init__(self, engine: Engine, schema: str | None) -> None:
        self.engine, self.schema = engine, schema
        self.bookkeeping = sa.Table(
            BOOKKEEPING,
            sa.MetaData(),
            sa.Column("table_name", sa.String(80), primary_key=True, comment="published table"),
            sa.Column("as_of", sa.Date, nullable=False, comment="company day its rows speak of"),
            sa.Column("delta_version", sa.BigInteger, nullable=False, comment="version of the lake's table"),
            sa.Column("delta_files", sa.String(64), nullable=False, comment="digest of that version's files"),
            sa.Column("row_count", sa.BigInteger, nullable=False, comment="rows it holds"),
            sa.Column(
                "published_at", sa.DateTime(timezone=True), nullable=False, comment="when they last changed, UTC"
            ),
            schema=schema,
        )

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Raises ConfigError when no database is named or its URL cannot be read; nothing is connected yet."""
        if not settings.publish:
            raise ConfigError(
                "SEGMENT_PIPELINE_PUBLISH is not set: set it to the SQLAlchemy URL of the database to publish to"
                " (PostgreSQL: postgresql+psycopg://…)"
            )
        engine = open_engine(
            settings.publish,
            what=WHAT,
            setting="SEGMENT_PIPELINE_PUBLISH",
            json_serializer=partial(json.dumps, ensure_ascii=False),
        )
        return cls(engine, settings.publish_schema)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction that no other publisher to the same schema can run beside: a second one waits for the first.

        Schema and bookkeeping are made where they are missing.
        """
        with transaction(self.engine, what=WHAT, hint="may its user create tables and write here?") as connection:
            self._lock(connection)
            inspector = sa.inspect(connection)
            if self.schema and not inspector.has_schema(self.schema):
                connection.execute(CreateSchema(self.schema))
            self.bookkeeping.create(connection, checkfirst=True)
            yield connection

    def record(self, connection: Connection, name: str) -> Record | None:
        """What the table holds; None: it was never published."""
        books = self.bookkeeping
        # The lock of databases that have no advisory one: a second publisher waits here.
        query = sa.select(books).where(books.c.table_name == name).with_for_update()
        found = connection.execute(query).mappings().first()
        if found is None:
            return None
        return Record(Snapshot(found["as_of"], found["delta_version"], found["delta_files"]), found["row_count"])

    def note(self, connection: Connection, name: str, record: Record, now: datetime) -> None:
        books = self.bookkeeping
        connection.execute(books.delete().where(books.c.table_name == name))
        connection.execute(
            books.insert().values(
                table_name=name,
                as_of=record.snapshot.as_of,
                delta_version=record.snapshot.version,
                delta_files=record.snapshot.files,
                row_count=record.rows,
                published_at=now,
            )
        )

    def altered(self, connection: Connection, shape: Shape) -> str:
        """How the table differs from the shape, in words; empty: not at all."""
        inspector = sa.inspect(connection)
        if not inspector.has_table(shape.name, schema=self.schema):
            return "the table is missing"
        dialect = connection.dialect
        held, wanted = inspector.get_columns(shape.name, schema=self.schema), shape.target(self.schema).columns
        if [c["name"] for c in held] != [c.name for c in wanted]:
            return "its columns are other ones"
        spelled = [(c["type"].compile(dialect), w.type.compile(dialect)) for c, w in zip(held, wanted, strict=True)]
        if dialect.name in SPELLS_TYPES_BACK and any(one != other for one, other in spelled):
            return "its columns have other types"
        if set(inspector.get_pk_constraint(shape.name, schema=self.schema)["constrained_columns"]) != set(shape.key):
            return "its key is another one"
        return ""

    def rows(self, connection: Connection, shape: Shape) -> int:
        table = shape.target(self.schema)
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

    def make(self, connection: Connection, shape: Shape, *, ours: bool) -> sa.Table:
        """A new empty table in the place of one that is missing or altered; `complete` it once it is filled.

        Raises ConfigError when a table of that name is not `ours`, or something else depends on it.
        """
        table = shape.target(self.schema)
        if sa.inspect(connection).has_table(shape.name, schema=self.schema):
            if not ours:
                raise ConfigError(
                    f"{WHAT} has a table {shape.name} that was not published from here: name a schema of its own in"
                    " SEGMENT_PIPELINE_PUBLISH_SCHEMA, or move that table away"
                )
            try:
                table.drop(connection)
            except SQLAlchemyError:
                raise ConfigError(
                    f"the published table {shape.name} must be made anew and the database does not let it go: drop the"
                    " views that depend on it, publish, and make them again"
                ) from None
        if not _adds_keys(connection):
            _key(table, shape)
        table.create(connection)
        return table

    def complete(self, connection: Connection, shape: Shape, table: sa.Table) -> None:
        """Key and index of a table `make` made, after its rows: both are built much faster at once than row by row."""
        if _adds_keys(connection):
            connection.execute(AddConstraint(_key(table, shape), isolate_from_table=False))
        if columns := INDEXES.get(shape.name):
            name = f"{shape.name}_by_{'_'.join(columns)}"
            sa.Index(name, *(table.c[column] for column in columns)).create(connection)

    def _lock(self, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            place = sa.func.coalesce(sa.bindparam("schema", self.schema, sa.Text), sa.func.current_schema())
            number = sa.func.hashtextextended(sa.literal(f"{BOOKKEEPING} in ").concat(place), 0)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _adds_keys(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _key(table: sa.Table, shape: Shape) -> sa.PrimaryKeyConstraint:
    key = sa.PrimaryKeyConstraint(*(table.c[name] for name in shape.key))
    table.append_constraint(key)
    return key
