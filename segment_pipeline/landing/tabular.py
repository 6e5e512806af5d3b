"""How a person maps rows with columns to canonical tables: column to column in Python, SQL where that is not enough.

    Tabular(
        "sales",
        at="when",
        currency=Const("GBP"),
        types={"when": Time("%d/%m/%Y %H:%M", zone="Europe/London"), "qty": Number(), "price": Number()},
        fills=(
            each("order_lines", order_key="invoice", product_key="stock", quantity="qty", net=sql("qty * price")),
            per_key("orders", order_key="invoice", customer_key="customer", channel=Const("store"), net=total(sql("qty * price"))),
        ),
    )

A text is the name of a column. Nothing is guessed: a column is text unless `types` or the column it is mapped to says otherwise,
and a value that is not of its type sends its row to quarantine. What a mapping does not name is what `FRAME` below says, or NULL
where the table allows it; a required column that is neither raises when the mapping is loaded.
Holds declarations; the SQL made of them is in `landing.tabular_rows` and `landing.tabular_tables`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from typing import Final
from zoneinfo import available_timezones

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.schema import Table
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.source import Kind


@dataclass(frozen=True, slots=True)
class Time:
    """A time, or a day, written in one of these `strptime` formats, or as ISO 8601; without an offset it is of `zone`.

    `zone` empty: the company's time zone.
    """

    formats: tuple[str, ...]
    zone: str

    def __init__(self, *formats: str, zone: str = "") -> None:
        object.__setattr__(self, "formats", formats)
        object.__setattr__(self, "zone", zone)


@dataclass(frozen=True, slots=True)
class Number:
    """A number with these marks; `decimal` empty: the file's own. In `sql` it has six digits after the point."""

    decimal: str = ""
    thousands: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no in these words, whatever their case; any other word is none of both."""

    yes: tuple[str, ...] = ("true", "yes", "y", "t", "1")
    no: tuple[str, ...] = ("false", "no", "n", "f", "0")


Type = Time | Number | Flag


@dataclass(frozen=True, slots=True)
class Sql:
    """An expression over the columns of a row, in DuckDB's dialect."""

    text: str


@dataclass(frozen=True, slots=True)
class Const:
    """The same value for every row."""

    value: str | int | bool | Decimal | date | datetime


@dataclass(frozen=True, slots=True)
class Total:
    """The sum over the rows of a key."""

    of: "str | Sql"


# A column's name, an expression, a value, a sum, or the columns that make a JSON object.
Given = str | Sql | Const | Total | tuple[str, ...]


def sql(text: str) -> Sql:
    """An expression over the file's columns, typed as declared: `sql("quantity * price")`."""
    return Sql(text)


def total(of: str | Sql) -> Total:
    """The sum of a column or expression over the rows of one key, in `per_key`."""
    return Total(of)


@dataclass(frozen=True)
class To:
    """A canonical table and where its columns come from. Made by `each` and `per_key`."""

    table: str
    columns: Mapping[str, Given]
    where: str = ""
    grouped: bool = False

    @property
    def declared(self) -> Table:
        return table(self.table)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that tell one record of a source from another."""
        return tuple(name for name in self.declared.key if name not in {"source", "updated_at", "day"})


def each(name: str, /, *, where: str = "", **columns: Given) -> To:
    """One row of the table for each row (that satisfies `where`, SQL over its columns)."""
    return To(name, columns, where)


def per_key(name: str, /, *, where: str = "", **columns: Given) -> To:
    """One row of the table for each of its keys: sums by `total`, the earliest time it happened, the greatest of anything else.

    Of records that change, such as customers, one version for each day with a row of theirs.
    """
    return To(name, columns, where, grouped=True)


@dataclass(frozen=True, kw_only=True)
class Tabular:
    """Rows with columns, and the tables they fill.

    `at`: the column that says when it happened; `updated`: when the row was last changed, where that is another column: the day
    rows are stored under and the version that counts. A snapshot needs neither: its time is its pull's.
    `key`: the columns that tell one row from another; empty: those mapped to the key of the first fill, and without any the row's
    content and its ordinal among equal rows, so that exact duplicates stay and count.
    `currency`: of the amounts. `types`: what columns hold, by name. `optional`: columns that may be missing; `ignore`: columns to
    leave alone without a word. Any other column goes to `attributes` or `properties` of the first fill by `each` that has one and
    does not map it, and otherwise nowhere; either is announced.
    """

    name: str = field(kw_only=False)
    fills: tuple[To, ...]
    kind: Kind = Kind.MUTABLE
    at: str = ""
    updated: str = ""
    key: tuple[str, ...] = ()
    currency: str | Sql | Const | None = None
    types: Mapping[str, Type] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    look_back: int = 0
    dimension: bool = False
    description: str = ""
    upstream: str = ""

    def __post_init__(self) -> None:
        if mistakes := list(_mistakes(self)):
            raise ConfigError(f"entity {self.name}: " + "; ".join(mistakes))

    @property
    def used(self) -> frozenset[str]:
        """The columns of the rows that the mapping reads."""
        return self._named - PROVIDED

    @property
    def provided(self) -> frozenset[str]:
        """What the mapping reads of what is known about a row's file."""
        files = {"_modified"} if self.kind is Kind.SNAPSHOT else frozenset[str]()
        return (self._named & PROVIDED) | files

    # Its expressions are parsed for it, and every column of every file is asked whether it is among them.
    @cached_property
    def _named(self) -> frozenset[str]:
        givens = [given for fill in self.fills for given in fill.columns.values()]
        names = [name for given in givens for name in columns_of(given)]
        names += [name for fill in self.fills if fill.where for name in columns_of(Sql(fill.where))]
        names += [*self.key, *(name for name in (self.at, self.updated) if name), *self.types]
        names += columns_of(self.currency) if self.currency is not None else ()
        return frozenset(names)


# What a mapping may read of a row's file beside the row's own columns.
MODIFIED: Final = "_modified"
PROVIDED: Final = frozenset({"_file", MODIFIED})


def columns_of(given: Given) -> tuple[str, ...]:
    """The columns of a row that a value is made of."""
    match given:
        case Const():
            return ()
        case tuple():
            return given
        case Total():
            return columns_of(given.of)
        case Sql():
            return tuple(dict.fromkeys(column.name for column in parsed(given).find_all(exp.Column)))
        case _:
            return (given,)


def parsed(given: Sql) -> exp.Expr:
    """An expression's tree; raises ConfigError when it is none."""
    try:
        return sqlglot.parse_one(f"SELECT {given.text}", read="duckdb")
    except SqlglotError:
        raise ConfigError(f"`{given.text}` cannot be read as an expression of DuckDB's dialect") from None


# What a required column is where the mapping does not say, in SQL over the row as mapped; see `landing.tabular_tables`.
FRAME: Final[Mapping[str, Mapping[str, str]]] = {
    "stores": {},
    "customers": {"entity": "'customer'", "created_at": "{at}", "contactable": "TRUE"},
    "products": {},
    "orders": {
        "kind": "'sale'",
        "ordered_at": "{at}",
        "ordered_on": "{on}",
        "status": "'completed'",
        "currency": "{currency}",
        "gift_card_sold": "CAST(0 AS DECIMAL(18,4))",
        "created_at": "{at}",
    },
    "order_lines": {"line_number": "{key}", "is_markdown": "FALSE", "ordered_on": "{on}"},
    "refunds": {"refund_key": "{key}", "refunded_at": "{at}", "refunded_on": "{on}", "currency": "{currency}"},
    "carts": {
        "created_at": "{at}",
        "currency": "{currency}",
        "product_keys": "CAST([] AS VARCHAR[])",
        "lines": "'[]'",
    },
    "events": {
        "event_key": "{key}",
        "occurred_at": "{at}",
        "occurred_on": "{on}",
        "received_at": "{updated}",
        "properties": "'{{}}'",
    },
    "messages": {"message_key": "{key}", "occurred_at": "{at}", "occurred_on": "{on}", "received_at": "{updated}"},
    "campaigns": {},
    "survey_answers": {"answer_key": "{key}", "answered_at": "{at}", "answered_on": "{on}"},
    "consents": {"purpose": "'marketing'", "recorded_at": "{at}", "evidence": "{entity}"},
    "suppressions": {"channel": "'*'", "recorded_at": "{at}"},
}
# What DuckDB's `strptime` knows.
DIRECTIVES: Final = frozenset(
    "%a %A %b %B %c %d %-d %f %g %G %h %H %-H %I %-I %j %-j %m %-m %M %-M %n %p %S %-S %T %u %U %V %w %W %x %X %y %-y %Y %z %Z %%".split()
)
# Computed by landing from others, whatever the mapping says.
LANDINGS: Final = frozenset(
    {"source", "updated_at", "day", "origin", "net_base", "amount_base", "rate_day", "arrived_at", "pulled_at"}
)
AMOUNTS: Final = frozenset({"gross", "discount", "net"})
# What is NULL or not by these: a table whose rows can be marked as gone.
GONE: Final = "deleted_on"
CANCELLED: Final = "status"


def _mistakes(tabular: Tabular) -> Iterator[str]:
    if not tabular.fills:
        yield "it fills no table: give it `each(…)` or `per_key(…)`"
    if tabular.kind is not Kind.SNAPSHOT and not (tabular.at or tabular.updated):
        yield "no column says when: name it with `at=`"
    names = [fill.table for fill in tabular.fills]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} is filled twice: make it one fill"
    yield from _misread(tabular)
    for fill in tabular.fills:
        if fill.table not in FRAME:
            yield f"{fill.table} is no table that sources fill: they fill {', '.join(FRAME)}"
            continue
        yield from _unknown(tabular, fill)
        yield from _misspelt(fill)
        yield from _unsaid(tabular, fill)
        yield from _unreadable(fill)
    for kind in ("email", "phone"):
        given = [fill.columns[kind] for fill in tabular.fills if kind in fill.columns]
        given += [fill.columns["identifier"] for fill in tabular.fills if _identifies_by(fill) == kind]
        if any(each != given[0] for each in given):
            yield f"its rows have more than one {kind}: make them two entities"


def _misread(tabular: Tabular) -> Iterator[str]:
    """What no row could be read by."""
    for name, kind in tabular.types.items():
        if not isinstance(kind, Time):
            continue
        if kind.zone and kind.zone not in available_timezones():
            yield f"{kind.zone} of {name} is no time zone: name one like Europe/Berlin"
        for each in kind.formats:
            if strange := sorted(set(re.findall("%-?.?", each)) - DIRECTIVES):
                yield f"{strange[0]} in the format of {name} is no part of a time: see `strptime`"
    paid_in = tabular.currency
    if isinstance(paid_in, Const) and not re.fullmatch("[A-Za-z]{3}", str(paid_in.value)):
        yield f"{paid_in.value} is no currency: say its ISO code, such as EUR"


def _unknown(tabular: Tabular, fill: To) -> Iterator[str]:
    """What the mapping says of columns that are not there, or not its to say."""
    declared = fill.declared
    if strangers := sorted(set(fill.columns) - set(declared.given)):
        yield f"{fill.table} has no column {', '.join(strangers)}: it has {', '.join(declared.given)}"
    if landings := sorted(set(fill.columns) & LANDINGS):
        yield f"{', '.join(landings)} of {fill.table} is landing's to say: leave it out"
    if tabular.kind is Kind.SNAPSHOT and GONE not in declared.names:
        yield f"{fill.table} keeps no record of what is gone: land it as mutable or log instead of snapshot"
    if not fill.grouped and any(isinstance(each, Total) for each in fill.columns.values()):
        yield f"{fill.table} has one row for each row and so no total: use `per_key`"


def _misspelt(fill: To) -> Iterator[str]:
    """Constants of columns that have words of their own, which are none of them."""
    for name, given in fill.columns.items():
        words = fill.declared.by_name[name].values if name in fill.declared.by_name else ()
        if words and isinstance(given, Const) and given.value not in words:
            close = get_close_matches(str(given.value), words, n=1)
            one = f": did you mean {close[0]}?" if close else f", which is one of {', '.join(words)}"
            yield f"it says Const({given.value!r}) for {name} of {fill.table}{one}"


def _unsaid(tabular: Tabular, fill: To) -> Iterator[str]:
    """What a table needs and neither the mapping nor the house's frame says."""
    declared, frame = fill.declared, FRAME[fill.table]
    given = set(fill.columns) | LANDINGS | frame.keys()
    if given & AMOUNTS:
        given |= AMOUNTS
    if tabular.kind is Kind.SNAPSHOT and not tabular.at:
        given -= {name for name, text in frame.items() if "{at}" in text or "{on}" in text} - set(fill.columns)
    if needed := [c.name for c in declared.columns if not c.nullable and c.name not in given]:
        yield f"{fill.table} needs {', '.join(needed)}: map a column to it or say `Const(…)`"
    paid = "net" in declared.names or ("currency" in declared.names and not declared.by_name["currency"].nullable)
    if paid and tabular.currency is None and "currency" not in fill.columns:
        yield f'the amounts of {fill.table} have no currency: say `currency=Const("EUR")` or name its column'
    if fill.grouped:
        for name in fill.identity:
            if name not in fill.columns and "{key}" in frame.get(name, ""):
                yield f"{fill.table} per key needs its {name}: map it"
    if "identifier_type" in declared.names and not _identifies_by(fill):
        yield f'the identifiers of {fill.table} are of one type: say `identifier_type=Const("email")`'


def _unreadable(fill: To) -> Iterator[str]:
    for given in [*fill.columns.values(), *([Sql(fill.where)] if fill.where else [])]:
        try:
            columns_of(given)
        except ConfigError as error:
            yield str(error)


def _identifies_by(fill: To) -> str:
    kind = fill.columns.get("identifier_type")
    return str(kind.value) if isinstance(kind, Const) else ""
