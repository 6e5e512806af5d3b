"""What a table of the lake looks like in a company's database: which columns, of which types, under which key. Connects to none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.schema import Column, Table
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.traits.sets import declared
from segment_pipeline.traits import TraitSet

PUBLISHED = ("profiles", "traits", "memberships")
INDEXES = {"memberships": ("profile_id",)}

# Databases other than PostgreSQL can hold no list, and as a rule no text of unbounded length in a key.
_JSON = sa.JSON(none_as_null=True)
_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "VARCHAR": sa.Text(),
    "BOOLEAN": sa.Boolean(),
    "INTEGER": sa.Integer(),
    "BIGINT": sa.BigInteger(),
    "DOUBLE": sa.Double(),
    "DATE": sa.Date(),
    "TIMESTAMP": sa.DateTime(),
    "TIMESTAMPTZ": sa.DateTime(timezone=True),
    "VARCHAR[]": _JSON.with_variant(postgresql.ARRAY(sa.Text()), "postgresql"),
    "MONEY": sa.Numeric(18, 4),
    "RATE": sa.Numeric(18, 8),
    "JSON": _JSON.with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
}
_KEY_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")


@dataclass(frozen=True, slots=True)
class Shape:
    """A published table: the newest snapshot of `source`, whose day is no column: it is the same for every row.

    `key`: the declared key without the day, unique in one snapshot. `columns`: published, in the declared order.
    """

    source: Table
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def target(self, schema: str | None) -> sa.Table:
        """The table as SQLAlchemy speaks of it. It has no key yet: rows are loaded faster before it has one."""
        columns = [
            sa.Column(
                c.name,
                _KEY_TEXT if c.name in self.key and c.type == "VARCHAR" else _TYPES[c.type],
                nullable=c.nullable and c.name not in self.key,
                autoincrement=False,
            )
            for c in self.columns
        ]
        return sa.Table(self.name, sa.MetaData(), *columns, schema=schema)


def shape(declared: Table, *, personal: bool) -> Shape:
    """How a table is published; without `personal` the columns that identify a person by themselves are left out.

    Raises ConfigError when such a column is part of the key.
    """
    columns = tuple(c for c in declared.columns if c.name != "as_of" and (personal or not c.pii))
    key = tuple(name for name in declared.key if name != "as_of")
    if hidden := sorted(set(key) - {c.name for c in columns}):
        raise ConfigError(f"table {declared.name} cannot be published without its key {', '.join(hidden)}")
    return Shape(declared, columns, key)


def tables_of(sets: Sequence[TraitSet]) -> tuple[str, ...]:
    """The names of the tables that are published: ours, and one for each of a company's own sets of traits."""
    return (*PUBLISHED, *(own.table for own in sets))


def published(name: str, *, personal: bool) -> Shape:
    """The shape of one of the tables that are published; raises ConfigError for any other name."""
    known = tables_of(declared())
    if name not in known:
        raise ConfigError(f"{name} is not published: choose among {', '.join(known)}")
    return shape(table(name), personal=personal)
