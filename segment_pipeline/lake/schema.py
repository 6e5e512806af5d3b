"""What a table of the lake is: columns, key, partitions, grain; schema, checks, docs and migrations derive from its declaration.

Holds no declaration: those are `lake.canonical`, `lake.derived` and `lake.activation`, and `lake.tables` knows them all.
"""

from dataclasses import dataclass, field

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
