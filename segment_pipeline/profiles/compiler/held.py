"""Parts of a predicate made anew: their kinds, the digits they have room for, and what makes parts alike.

What a part may be made of is `portable`'s business.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from sqlglot import exp

from segment_pipeline.lake import dialect

# What DECIMAL holds, and the most a product may need: Spark counts one digit more.
MOST_DIGITS: Final = 38
MOST_OF_A_PRODUCT: Final = 37
# Up to here every whole number is a floating-point number of its own.
WHOLE_DOUBLE: Final = 9e15
LARGEST: Final = "1.7976931348623157e308"
MOST_DAYS: Final = 99_999
DAY_FORMAT: Final = frozenset("-/. ")
# Digits before and after the point a trait has at most, by type.
EXACT: Final = {"INTEGER": (10, 0), "BIGINT": (19, 0), "MONEY": (14, 4), "RATE": (10, 8)}
OTHER_TYPES: Final = (
    "has a predicate whose parts are of types that do not go together, as a day and a text that is none"
)


class Refused(Exception):
    """An expression does not mean the same on every engine, or may fail on a row."""


@dataclass(frozen=True, slots=True)
class Held:
    """A part and its kind. `room`: digits of an exact number before and after the point. `loose`: it may be NaN or infinite.
    `written`: the number or the text it is as a literal.
    """

    sql: exp.Expr
    kind: str
    room: tuple[int, int] = (0, 0)
    loose: bool = False
    written: Decimal | str | None = None

    @property
    def is_number(self) -> bool:
        return self.kind in ("EXACT", "DOUBLE")


def shown(node: exp.Expr) -> str:
    return node.sql(dialect="duckdb")


def constant(node: exp.Expr) -> Held:
    if isinstance(node, exp.Null):
        return Held(exp.null(), "NULL")
    if isinstance(node, exp.Boolean):
        return Held(node.copy(), "BOOLEAN")
    if node.is_string:
        return Held(exp.Literal.string(node.name), "VARCHAR", written=node.name)
    return figure_of(node.name)


def figure_of(text: str) -> Held:
    """A number as it is written: exact, or of floating point where it has an exponent."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Refused(f"has a predicate with {text}, which is no number") from None
    if "e" in text.lower():
        if not math.isfinite(float(text)):
            raise Refused(f"has a predicate with {text}, which is too large for a number")
        return Held(floating(text), "DOUBLE", written=number)
    after = max(0, -int(number.as_tuple().exponent))
    room = (max(number.adjusted() + 1, 1), after)
    if sum(room) > MOST_DIGITS:
        raise too_many(exp.Literal.string(text))
    kind = "INTEGER" if not after and room[0] <= 9 else dialect.decimal_of(number)
    return Held(exp.cast(exp.Literal.string(f"{number:f}"), kind), "EXACT", room, written=number)


def around(held: Held) -> Held:
    return replace(held, sql=exp.Paren(this=held.sql))


def floating(text: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(text), "DOUBLE")


def double(held: Held) -> Held:
    if isinstance(held.written, Decimal):
        return Held(floating(repr(float(held.written))), "DOUBLE")
    return held if held.kind == "DOUBLE" else Held(exp.cast(held.sql, "DOUBLE"), "DOUBLE")


def firm(held: Held) -> Held:
    """A number, unknown where it is NaN or infinite."""
    if not held.loose and not (held.kind == "DOUBLE" and isinstance(held.sql, exp.Column)):
        return held
    finite = exp.LTE(this=exp.Abs(this=held.sql), expression=floating(LARGEST))
    return replace(held, sql=exp.Case(ifs=[exp.If(this=finite, true=held.sql.copy())]), loose=False)


def not_0(number: exp.Expr) -> exp.Expr:
    return exp.Nullif(this=number, expression=exp.Literal.number(0))


def as_decimal(sql: exp.Expr, room: tuple[int, int]) -> exp.Expr:
    # Not by `exp.cast`, which takes a decimal for any other.
    return exp.Cast(this=sql, to=exp.DataType.build(f"DECIMAL({sum(room)},{room[1]})", dialect="duckdb"))


def in_decimal(held: Held, least: int = 0) -> exp.Expr:
    whole, after = held.room
    return as_decimal(held.sql, (max(whole, least - after), after))


def as_long(held: Held) -> exp.Expr:
    if isinstance(held.written, Decimal) and held.room[0] < EXACT["BIGINT"][0]:
        return exp.Literal.number(int(held.written))
    fits = isinstance(held.sql, exp.Column) or held.room[0] < EXACT["BIGINT"][0]
    return exp.cast(held.sql.copy(), "BIGINT") if fits else tried(held.sql.copy(), "BIGINT")


def tried(sql: exp.Expr, kind: str) -> exp.Expr:
    return exp.TryCast(this=sql, to=exp.DataType.build(kind, dialect="duckdb"))


def numbers_alike(found: list[Held], whole: exp.Expr) -> list[Held]:
    if any(each.kind == "DOUBLE" for each in found):
        return [firm(double(each)) if each.is_number else each for each in found]
    if found and sum(max(each.room[part] for each in found) for part in (0, 1)) > MOST_DIGITS:
        raise too_many(whole)
    return found


def of_all(sql: exp.Expr, parts: Sequence[Held]) -> Held:
    """What is one of these parts, alike."""
    kind = next((each.kind for each in parts if each.kind != "NULL"), "NULL")
    room = (max(each.room[0] for each in parts), max(each.room[1] for each in parts))
    return Held(as_decimal(sql, room) if kind == "EXACT" and room[1] else sql, kind, room)


def joined(kind: type[exp.And] | type[exp.Or], parts: list[exp.Expr]) -> exp.Expr:
    if len(parts) == 1:
        return exp.Paren(this=parts[0])
    middle = len(parts) // 2
    return exp.Paren(this=kind(this=joined(kind, parts[:middle]), expression=joined(kind, parts[middle:])))


def day_of(text: str) -> Held:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise Refused(OTHER_TYPES) from None
    return Held(exp.cast(exp.Literal.string(day.isoformat()), "DATE"), "DATE")


def day_in(text: exp.Expr) -> exp.Expr:
    """The day a text writes as YYYY-MM-DD; of others engines differ: "-inf" is a day in DuckDB."""
    form = exp.RegexpLike(this=text, expression=exp.Literal.string("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))
    short = exp.EQ(this=exp.Length(this=text.copy()), expression=exp.Literal.number(10))
    return exp.Case(ifs=[exp.If(this=exp.and_(form, short), true=tried(text.copy(), "DATE"))])


def days_between(since: exp.Expr, until: exp.Expr) -> Held:
    apart = exp.DateDiff(this=until, expression=since, unit=exp.var("DAY"), date_part_boundary=True)
    return Held(exp.cast(apart, "BIGINT"), "EXACT", EXACT["BIGINT"])


def days_later(node: exp.Add | exp.Sub, left: Held, right: Held) -> Held:
    if isinstance(node, exp.Sub) and left.kind == right.kind == "DATE":
        return days_between(right.sql, left.sql)
    if isinstance(node, exp.Add) and right.kind == "DATE":
        left, right = right, left
    number = right.written
    if left.kind == "DATE" and isinstance(number, Decimal) and number == int(number) and abs(number) <= MOST_DAYS:
        return Held(exp.Paren(this=type(node)(this=left.sql, expression=exp.Literal.number(int(number)))), "DATE")
    raise instead(node, f"a whole number of days, up to {MOST_DAYS}, beside a day, as last_order_on + 30")


def whole_number(node: object, least: int, within: exp.Expr, what: str) -> exp.Expr:
    if isinstance(node, exp.Literal) and node.is_int and least <= int(node.name) <= MOST_DAYS:
        return exp.Literal.number(int(node.name))
    raise instead(within, f"it with {what} as a number")


def is_day_format(text: str) -> bool:
    return not set(text.replace("%Y", "").replace("%m", "").replace("%d", "")) - DAY_FORMAT


def instead(node: exp.Expr, what: str) -> Refused:
    return Refused(
        f"is refused: its predicate uses {shown(node)}, which does not mean the same on every engine or fails on some rows: write {what}"
    )


def too_many(node: exp.Expr) -> Refused:
    return Refused(
        f"has a predicate with numbers that make more than {MOST_OF_A_PRODUCT} digits together in {shown(node)}:"
        " write CAST(… AS DOUBLE) around one of them"
    )
