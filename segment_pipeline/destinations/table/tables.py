"""The two tables in a company's database: made where they are missing, looked at column by column where they are not.

`<table>` has one row per audience and member; `<table>_audiences` says which audiences there are, empty ones included.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from segment_pipeline.destinations.table.values import BOOLEAN, DATE, INTEGER, NUMBER, TEXT, common, fits
from segment_pipeline.errors import ConfigError

AUDIENCE, KEY, UPDATED, IDENTIFIER = "audience", "member_key", "updated_at", "audience_id"
LONGEST: Final = 255
_LONGEST_NAME: Final = 63
_TYPES: Final[Mapping[str, sa.types.TypeEngine[Any]]] = {
    TEXT: sa.Text(),
    INTEGER: sa.BigInteger(),
    NUMBER: sa.Double(),
    BOOLEAN: sa.Boolean(),
    DATE: sa.Date(),
}
# MySQL compares by letters without regard to case unless it is told not to.
_EXACT: Final[Mapping[str, Any]] = {
    f"{dialect}_{option}": held
    for dialect in ("mysql", "mariadb")
    for option, held in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


@dataclass(frozen=True, slots=True)
class Tables:
    """`name`: of the table, behind its schema and a full stop where it has one. `identifiers`: columns of what members are known by.

    `declared`: attribute → kind; None: whatever comes has a column made for it.
    """

    name: str
    identifiers: Sequence[str]
    declared: Mapping[str, str] | None
    of: str

    def __post_init__(self) -> None:
        if not all(self.name.split(".")) or len(self.audiences.name.encode()) > _LONGEST_NAME:
            most = _LONGEST_NAME - len("_audiences")
            raise ConfigError(f"{self.of}: `table` is {self.name!r}: a name of {most} bytes at most, behind its schema")
        for name in self.declared or ():
            self._see_that_it_fits(name, self.declared or ())

    @property
    def schema(self) -> str | None:
        return self.name.rpartition(".")[0] or None

    @property
    def plain(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def audiences(self) -> sa.Table:
        return sa.Table(
            f"{self.plain}_audiences",
            sa.MetaData(),
            sa.Column(IDENTIFIER, sa.String(32), primary_key=True),
            sa.Column(AUDIENCE, sa.String(LONGEST), nullable=False, unique=True),
            schema=self.schema,
            **_EXACT,
        )

    def rows(self, attributes: Mapping[str, str]) -> sa.Table:
        """The table with these attributes."""
        return sa.Table(
            self.plain,
            sa.MetaData(),
            sa.Column(AUDIENCE, sa.String(LONGEST), primary_key=True),
            sa.Column(KEY, sa.String(64), primary_key=True),
            *(sa.Column(name, sa.Text()) for name in self.identifiers),
            sa.Column(UPDATED, sa.DateTime(timezone=True), nullable=False),
            *(sa.Column(name, _TYPES[kind]) for name, kind in attributes.items()),
            schema=self.schema,
            **_EXACT,
        )

    def make(self, connection: Connection) -> None:
        """Both, where they are missing. Raises ConfigError for one that is not of this shape."""
        missing = self.found(connection) is None
        self.audiences.create(connection, checkfirst=True)
        if missing:
            self.rows(self.declared or {}).create(connection)

    def found(self, connection: Connection) -> dict[str, str] | None:
        """Attribute → kind (empty: none of ours) of the table that is there; None: there is none.

        Raises ConfigError for one that is not of this shape.
        """
        inspector = sa.inspect(connection)
        if not inspector.has_table(self.plain, schema=self.schema):
            return None
        held = {column["name"]: column for column in inspector.get_columns(self.plain, schema=self.schema)}
        fixed = self.rows({}).columns
        for wanted in fixed:
            if wanted.name not in held:
                raise self._other(f"has no column {wanted.name}")
            if not _alike(held[wanted.name]["type"], wanted.type):
                raise self._other(f"has a column {wanted.name} of another type")
        if set(inspector.get_pk_constraint(self.plain, schema=self.schema)["constrained_columns"]) != {AUDIENCE, KEY}:
            raise self._other(f"has another key than {AUDIENCE} and {KEY}")
        more = {name: _kind(column["type"]) for name, column in held.items() if name not in fixed}
        for name, kind in more.items():
            if not held[name]["nullable"] and held[name].get("default") is None:
                raise self._other(f"has a column {name} that takes no NULL")
            if self.declared is not None and kind != self.declared.get(name):
                said = f"declared as {self.declared[name]}" if name in self.declared else "which nobody declared"
                raise self._other(f"has a column {name} of {kind or 'another type'}, {said}")
        return more

    def with_room(self, connection: Connection, kinds: Mapping[str, set[str]]) -> dict[str, str]:
        """Attribute → kind of the table's columns, once there is one for each of these that can hold all its kinds.

        Raises ConfigError for an attribute for which there can be none.
        """
        from alembic.ddl.base import AddColumn

        held = self.found(connection) or {}
        added = {name: self._wanted(name, of) for name, of in kinds.items() if name not in held}
        columns = held | added
        for name, of in kinds.items():
            self._see_that_it_fits(name, columns)
            if not fits(of, columns[name]):
                said = f"is {' and '.join(sorted(of))} and its column {columns[name] or 'of another type'}"
                raise self._unfit(name, f"{said}: declare another kind in `columns`, and drop the column")
        for name, kind in added.items():
            connection.execute(AddColumn(self.plain, sa.Column(name, _TYPES[kind]), schema=self.schema))
        return {name: kind for name, kind in columns.items() if kind}

    def _see_that_it_fits(self, name: str, among: Iterable[str]) -> None:
        """Raises ConfigError for an attribute that can be no column beside ours and these."""
        names = [each.casefold() for each in (*self.rows({}).columns.keys(), *among)]
        # MySQL takes no blank at the end, and SQLAlchemy does not find there again what has a backtick, and takes the other for a value.
        odd = not name or name != name.strip() or not name.isprintable() or "`" in name or "%(" in name
        if odd or names.count(name.casefold()) > 1 or len(name.encode()) > _LONGEST_NAME:
            raise self._unfit(name, f"can be no column of {self.name}, its name is odd, too long or taken: rename it")

    def _wanted(self, name: str, kinds: set[str]) -> str:
        """The kind of column an attribute is to get."""
        if self.declared is not None:
            if name not in self.declared:
                raise self._unfit(name, "is not declared: add it to `columns`, or map it to no field")
            return self.declared[name]
        if (kind := common(kinds)) is None:
            raise self._unfit(name, f"is {' and '.join(sorted(kinds))}: declare one kind for it in `columns`")
        return kind

    def _unfit(self, name: str, why: str) -> ConfigError:
        return ConfigError(f"{self.of}: attribute {name if name.isprintable() else ascii(name)} {why}")

    def _other(self, how: str) -> ConfigError:
        return ConfigError(
            f"{self.of}: table {self.name} {how}: name another `table`, or move that one away and it is made"
        )


def _kind(held: sa.types.TypeEngine[Any]) -> str:
    """What a column of the database holds; empty: nothing of ours."""
    match held:
        case sa.Boolean():
            return BOOLEAN
        case sa.Integer():
            # What MySQL makes of a BOOLEAN.
            return BOOLEAN if getattr(held, "display_width", None) == 1 else INTEGER
        case sa.Numeric() | sa.Float():
            return NUMBER
        case sa.DateTime():
            return ""
        case sa.Date():
            return DATE
        case sa.String():
            return TEXT
    return ""


def _alike(held: sa.types.TypeEngine[Any], wanted: sa.types.TypeEngine[Any]) -> bool:
    return any(isinstance(held, kind) and isinstance(wanted, kind) for kind in (sa.String, sa.DateTime))
