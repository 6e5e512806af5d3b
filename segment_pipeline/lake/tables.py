"""The tables of the lake, each declared once: columns, key, partitions, grain; schema, checks, docs and migrations derive from it.

Holds declarations and their look-up only; reading and writing is `lake.session`'s business.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa

from segment_pipeline.errors import ConfigError

ARROW_TYPES: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "VARCHAR[]": pa.list_(pa.string()),
    "MONEY": pa.decimal128(18, 4),
    "RATE": pa.decimal128(18, 8),
    "JSON": pa.string(),
}

SQL_TYPES = {"MONEY": "DECIMAL(18,4)", "RATE": "DECIMAL(18,8)", "JSON": "VARCHAR"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is a key of ARROW_TYPES; MONEY excludes tax, shipping and tips; `pii`: identifies a person by itself."""

    name: str
    type: str
    description: str
    nullable: bool = True
    pii: bool = False

    @property
    def arrow(self) -> pa.DataType:
        return ARROW_TYPES[self.type]

    @property
    def sql(self) -> str:
        """The type as the engines spell it in a CAST."""
        return SQL_TYPES.get(self.type, self.type)


@dataclass(frozen=True, slots=True)
class Table:
    """One Delta table. `key`: columns that are unique together; `sort_by`: order inside files, for pruning.

    `version` grows when existing rows must be rewritten by a migration; a column that is only added needs none.
    `retention`: `forever`, `snapshots` (35 days and month-ends for 25 months), `newest` or `days:N`.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    retention: str = "forever"
    version: int = 1
    by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        by_name = {column.name: column for column in self.columns}
        if len(by_name) != len(self.columns):
            raise ConfigError(f"table {self.name} declares a column twice: rename one")
        for name in (*self.key, *self.partition_by, *self.sort_by):
            if name not in by_name:
                raise ConfigError(
                    f"table {self.name} names {name} as key, partition or sort column but does not declare it"
                )
        object.__setattr__(self, "by_name", by_name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.arrow, nullable=c.nullable) for c in self.columns])

    @property
    def pii(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.pii)


@cache
def _registry() -> dict[str, Table]:
    # Imported late: the declarations below need Table and Column from here.
    from segment_pipeline.lake import activation, canonical, derived

    tables: dict[str, Table] = {}
    for table in (*canonical.TABLES, *derived.TABLES, *activation.TABLES):
        if table.name in tables:
            raise ConfigError(f"table {table.name} is declared twice: rename one")
        tables[table.name] = table
    return tables


# Tables of a company's own, which its catalogue declares when it is loaded.
_OWN: dict[str, Table] = {}


def declare(own: Table) -> Table:
    """Make a company's own table known to this process, in the place of one it declared before by that name.

    Raises ConfigError for the name of one of ours.
    """
    if own.name in _registry():
        raise ConfigError(f"table {own.name} is one of ours: choose another name")
    _OWN[own.name] = own
    return own


def is_own(name: str) -> bool:
    """Whether a table was made known by `declare`."""
    return name in _OWN


def all_tables() -> Iterable[Table]:
    """Every table of the lake, facts first and a company's own last."""
    return (*_registry().values(), *_OWN.values())


def table(name: str) -> Table:
    """The declaration of one table; raises ConfigError for a name nobody declared."""
    try:
        return _registry().get(name) or _OWN[name]
    except KeyError:
        raise ConfigError(f"there is no table {name}: `segment-pipeline tables` lists them") from None
