"""SQL of single values: a column as it was read, as text, number, time or yes and no, NULL where it is none of that.

Knows types and marks; which table a value goes to is `landing.tabular_rows`' business.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segment_pipeline.lake import horizon
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.schema import Column
from segment_pipeline.landing.mapping import an_id
from segment_pipeline.landing.tabular import Const, Flag, Given, Number, Sql, Tabular, Time, To, Total, Type

# A digit wider than 18: what two decimals of 18 digits make is 18 digits to DuckDB, and `qty * price` fails at a million.
DECIMAL = "DECIMAL(19,6)"
OFFSET = r":.*(Z|UTC|GMT|[+-][0-9][0-9](:?[0-9][0-9])?)$"
# All of a text has to be of this form: an engine's cast passes over a zone it does not know, and over PM.
ISO = (
    r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
    r"( ?(Z|UTC|GMT|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?))?)?$"
)
ISO_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
# What a column of text is read as where it is mapped to one of these.
IMPLIED: Mapping[str, Type] = {
    **dict.fromkeys(("MONEY", "RATE", "INTEGER", "BIGINT", "DOUBLE"), Number()),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP", "DATE"), Time()),
    "BOOLEAN": Flag(),
}
UPPER = frozenset({"country", "currency", "postcode"})


@dataclass(frozen=True, slots=True)
class Read:
    """What a pull holds. `columns`: SQL types by name; `files`: rows are told apart by the file they came from; `decimal`: the
    mark in its numbers; `ragged`: there are lines that are no rows; `keys`: columns of all the keys there are, where asked for.
    """

    columns: Mapping[str, str]
    files: bool = False
    decimal: str = "."
    ragged: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)


def raw(name: str) -> str:
    """What a column as it was read is called beside the typed one."""
    return quote(f"raw:{name}")


def mapped(fill: To, column: str) -> str:
    """What the value for a table's column is called in `parsed`; for no column, whether the row goes to the table."""
    return f"landing:{fill.table}:{column}"


def as_text(column: str, kind: str) -> str:
    """A column of a type as text; blank is NULL."""
    if kind == "VARCHAR":
        return an_id(column)
    if kind == "DOUBLE":
        # A whole number that was read as a float, as every column with a gap is by many tools, is that number.
        whole = f"CAST(CAST({column} AS BIGINT) AS VARCHAR)"
        return (
            f"CASE WHEN isnan({column}) THEN NULL WHEN abs({column}) < 1e15 AND {column} = floor({column})"
            f" THEN {whole} ELSE CAST({column} AS VARCHAR) END"
        )
    return f"CAST({column} AS VARCHAR)"


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one mapping over one set of columns."""

    tabular: Tabular
    read: Read

    def known(self) -> list[str]:
        """The columns as expressions see them: those that are there, and optional ones that are not."""
        return list(dict.fromkeys([*self.read.columns, *sorted(self.tabular.used)]))

    def typed(self, name: str) -> str:
        """A column, over the rows `r`, as `sql(…)` sees it: of its declared type, of the type it was read with, or text."""
        declared, kind, column = self.tabular.types.get(name), self.read.columns.get(name), f"r.{quote(name)}"
        if kind is None:
            return (
                "CAST(NULL AS VARCHAR)"
                if declared is None
                else self.of_type(declared, "CAST(NULL AS VARCHAR)", "VARCHAR")
            )
        if declared is not None:
            return self.of_type(declared, column, kind)
        if kind == "DOUBLE":
            return f"CASE WHEN NOT isnan({column}) THEN {column} END"
        return as_text(column, kind) if kind == "VARCHAR" else column

    def there(self, name: str) -> str:
        """Whether a row has a value in a column, whatever it is."""
        match self.read.columns[name]:
            case "VARCHAR":
                return f"{an_id(raw(name))} IS NOT NULL"
            case "DOUBLE":
                return f"({raw(name)} IS NOT NULL AND NOT isnan({raw(name)}))"
            case _:
                return f"{raw(name)} IS NOT NULL"

    def value(self, given: Given, column: Column) -> str:
        """What a fill gives for a table's column, over typed and raw columns."""
        of = given.of if isinstance(given, Total) else given
        match of:
            case tuple():
                return f"json_merge_patch('{{}}', to_json({self.json(of)}))"
            case Const():
                return f"CAST({literal(of.value)} AS {column.sql})"
            case Sql():
                wide = isinstance(given, Total) and column.type in {"MONEY", "RATE"}
                return f"({of.text})" if wide else f"TRY_CAST(({of.text}) AS {column.sql})"
            case _:
                return self._column(of, column)

    def moment(self, name: str) -> str:
        """A column as an instant."""
        if name == "_modified" or name in self.tabular.types:
            return quote(name)
        return self.of_type(Time(), raw(name), self.read.columns.get(name, "VARCHAR"))

    def zone(self, name: str) -> str:
        """The zone declared for a column's times; empty: the company's."""
        kind = self.tabular.types.get(name)
        return kind.zone if isinstance(kind, Time) else ""

    def json(self, names: Sequence[str], *, as_read: bool = False, more: str = "") -> str:
        """A struct of columns."""
        held = [name for name in names if name in self.read.columns]
        entries = [f"{literal(name)}: {raw(name) if as_read else quote(name)}" for name in held]
        return "{" + ", ".join([*entries, *([more] if more else [])]) + "}"

    def of_type(self, kind: Type, column: str, held: str, *, number: str = DECIMAL) -> str:
        """A column of type `held` as another type; NULL where it is none."""
        text = as_text(column, held)
        match kind:
            case Number():
                return f"TRY_CAST({self._digits(column, held, kind)} AS {number})"
            case Time():
                return self._instant(held, column, text, kind)
            case _:
                yes, no = (", ".join(literal(word.lower()) for word in words) for words in (kind.yes, kind.no))
                said = f"CASE WHEN lower({text}) IN ({yes}) THEN TRUE WHEN lower({text}) IN ({no}) THEN FALSE END"
                return column if held == "BOOLEAN" else said

    def _column(self, name: str, column: Column) -> str:
        declared, held = self.tabular.types.get(name), self.read.columns.get(name)
        implied = IMPLIED.get(column.type)
        if held is None:
            return f"TRY_CAST({quote(name)} AS {column.sql})"
        if column.type in {"DATE", "TIMESTAMP"} and isinstance(declared or Time(), Time):
            # A day stays that day, and a time its wall clock's, wherever the company is.
            zone = literal(self.zone(name)) if self.zone(name) else "$timezone"
            local = f"CAST(timezone({zone}, {self.moment(name)}) AS {column.sql})"
            return horizon.within(raw(name), "DATE") if held == column.type == "DATE" else local
        if column.type.endswith("[]"):
            one = f"CASE WHEN {quote(name)} IS NOT NULL THEN [CAST({quote(name)} AS VARCHAR)] END"
            return quote(name) if held == column.type else one
        if declared is None and implied is not None:
            number = "DECIMAL(38,8)" if column.type in {"INTEGER", "BIGINT"} else column.sql
            return f"TRY_CAST({self.of_type(implied, raw(name), held, number=number)} AS {column.sql})"
        if column.type == "VARCHAR" and declared is None:
            text = as_text(raw(name), held)
            return f"upper({text})" if column.name in UPPER else text
        return f"TRY_CAST({quote(name)} AS {column.sql})"

    def _digits(self, column: str, held: str, kind: Number) -> str:
        if held != "VARCHAR":
            return f"CASE WHEN NOT isnan({column}) THEN {column} END" if held == "DOUBLE" else column
        text, mark = as_text(column, held), kind.decimal or self.read.decimal
        if kind.thousands:
            # A mark of thousands anywhere else is another mark, or a slip: 1.5 with `.` would be fifteen.
            first, second = re.escape(kind.thousands), re.escape(mark)
            whole = f"^[+-]?([0-9]+|[0-9]{{1,3}}({first}[0-9]{{3}})+)({second}[0-9]*)?$"
            plain = f"CASE WHEN regexp_matches({text}, {literal(whole)}) THEN replace({text}, {literal(kind.thousands)}, '') END"
        else:
            plain = text
        # DuckDB skips a `_` between digits; nobody who writes numbers does.
        if mark == ".":
            return f"CASE WHEN strpos({text}, '_') = 0 THEN {plain} END"
        # A point where the mark is another is a mistake, not a point.
        return f"CASE WHEN strpos({text}, '_') = 0 AND strpos({plain}, '.') = 0 THEN replace({plain}, {literal(mark)}, '.') END"

    @staticmethod
    def _instant(held: str, column: str, text: str, kind: Time) -> str:
        zone = literal(kind.zone) if kind.zone else "$timezone"
        if held in {"TIMESTAMPTZ", "TIMESTAMP", "DATE"}:
            found = column if held == "TIMESTAMPTZ" else f"timezone({zone}, CAST({column} AS TIMESTAMP))"
            return horizon.within(found, "TIMESTAMPTZ", horizon.INSTANTS)
        universal = f"regexp_replace({text}, ' ?(UTC|GMT)$', 'Z', 'g')"
        iso = (
            f"CASE WHEN NOT regexp_matches({text}, {literal(ISO)}) THEN NULL"
            f" WHEN regexp_matches({text}, {literal(OFFSET)}) THEN TRY_CAST({universal} AS TIMESTAMPTZ)"
            f" ELSE timezone({zone}, TRY_CAST({text} AS TIMESTAMP)) END"
        )
        if kind.formats:
            tried = [Values._by_format(text, each, zone) for each in kind.formats]
            # With formats of its own, only a text that begins as ISO times do is taken for one.
            iso = f"CASE WHEN regexp_matches({text}, {literal(ISO_DAY)}) THEN {iso} END"
            found = f"coalesce({', '.join([*tried, iso])})"
        else:
            found = iso
        return horizon.within(found, "TIMESTAMPTZ", horizon.INSTANTS)

    @staticmethod
    def _by_format(text: str, form: str, zone: str) -> str:
        read = f"try_strptime({text}, {literal(form)})"
        if "%Y" in form:
            # DuckDB takes `26` for a `%Y`, and the year 26.
            read = f"CASE WHEN year({read}) >= 1000 THEN {read} END"
        return f"CAST({read} AS TIMESTAMPTZ)" if "%z" in form else f"timezone({zone}, CAST({read} AS TIMESTAMP))"
