"""What a table of the lake is: columns, key, partitions, grain; schema, checks, docs and migrations derive from its declaration.

Holds no declaration: those are `lake.canonical`, `lake.derived` and `lake.activation`, and `lake.tables` knows them all.
"""

from dataclasses import dataclass, field

import pyarrow as pa

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.dialect import quote

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
    """One column. `type` is a key of ARROW_TYPES; MONEY excludes tax, shipping and tips; `pii`: identifies a person by itself.

    `implied`: NULL where rows to be written do not say it. `values`: the words there are; empty: any. `unsigned`: not negative;
    rows of a company's own tables that are go to quarantine. `derived`: an expression over other columns of the row, computed
    where rows to be written, or rows of files of before it was declared, do not say it.
    """

    name: str
    type: str
    description: str
    nullable: bool = True
    pii: bool = False
    implied: bool = False
    values: tuple[str, ...] = ()
    unsigned: bool = False
    derived: str = ""

    def selected(self, *, is_held: bool = True) -> str:
        """SQL: the column of a relation that holds it or does not, by its name; a derived one computed where it is NULL."""
        said = quote(self.name) if is_held else f"CAST(NULL AS {self.sql})"
        if self.derived:
            return f"coalesce({said}, {self.derived}) AS {quote(self.name)}"
        return said if is_held else f"{said} AS {quote(self.name)}"

    @property
    def arrow(self) -> pa.DataType:
        return ARROW_TYPES[self.type]

    @property
    def sql(self) -> str:
        """The type as the engines spell it in a CAST."""
        return SQL_TYPES.get(self.type, self.type)


@dataclass(frozen=True, slots=True)
class Subject:
    """How the rows about one person are found in a table: those that anything named here says are theirs.

    `profiles`: columns that hold a profile_id, or list some. `records`: pairs of an entity of `identities` and the column that
    holds such a record's key at the row's source; `entity` for the one the row's own column of that name says, `any` for all.
    `identifiers`: pairs of an identifier's type and the column that holds its value; `typed`: the row says both itself, in
    identifier_type and identifier. `through`: the table of the same source and order_key whose rows are theirs. `mentions`: a
    column of text in which an e-mail address, phone or loyalty number of theirs may stand, as it is known or in capitals.
    """

    profiles: tuple[str, ...] = ()
    records: tuple[tuple[str, str], ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()
    typed: bool = False
    through: str = ""
    mentions: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One Delta table. `key`: columns that are unique together; `sort_by`: order inside files, for pruning.

    `latest_by`: of landed rows that share the key the one with the greatest value here counts; of rows that are part of another
    table's (`subject.through`) those with its row's value.
    `version` grows when existing rows must be rewritten by a migration; a column that is only added needs none.
    `subject`: how a person's rows are found; None: no row is about a person.
    `retention`: `forever`, `snapshots` (35 days and month-ends for 25 months), `newest` or `days:N`.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    retention: str = "forever"
    subject: Subject | None = None
    version: int = 1
    latest_by: str = ""
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
        if required := [column.name for column in self.columns if column.derived and not column.nullable]:
            raise ConfigError(
                f"table {self.name}: {', '.join(required)} is derived, and files of before lack it: let it be NULL"
            )
        object.__setattr__(self, "by_name", by_name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def given(self) -> tuple[str, ...]:
        """The columns that rows to be written say, which decide all others."""
        return tuple(column.name for column in self.columns if not column.derived)

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.arrow, nullable=c.nullable) for c in self.columns])

    @property
    def pii(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.pii)
