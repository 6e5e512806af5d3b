"""What values of a person are made of, and their types: what judging, compiling and wording agree on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from segment_pipeline.algebra.nodes import Compared
from segment_pipeline.algebra.parts import (
    NAMED,
    Activities,
    Aggregate,
    Ago,
    Arithmetic,
    Constant,
    DaysSince,
    Rule,
    TraitValue,
    Value,
    property_column,
)
from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.profiles.facts.activities import SPEND_APART, property_type

# What can be aggregated, by the word for it: the column of activities, and its type. Properties of events come beside.
FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "amount": ("amount", "MONEY"),
    "quantity": ("quantity", "RATE"),
    "score": ("score", "DOUBLE"),
    "day": ("occurred_on", "DATE"),
    # Weeks are counted back from as_of, seven days each; months are the calendar's, year * 12 + month.
    "week": ("occurred_on", "BIGINT"),
    "month": ("occurred_on", "BIGINT"),
    "product": ("item_key", "VARCHAR"),
    "order": ("order_key", "VARCHAR"),
    "store": ("store_key", "VARCHAR"),
    **{name: (name, "VARCHAR") for name in NAMED if name != "item"},
}
# In an extract a column by its own name may hold the numbers of the values some rule names.
HELD: Final = "held_"
_RANKED: Final = ("first", "last", "nth", "most")
SUMS: Final = ("sum", "total")
INTEGERS: Final = ("INTEGER", "BIGINT")
EXACT: Final = (*INTEGERS, "MONEY", "RATE")
NUMBERS: Final = (*EXACT, "DOUBLE")
# Digits before and after the point of what is reckoned with, by type: a person's value with more is unknown. One that is wider than
# 18 in all makes DuckDB add and multiply in wide numbers.
_ROOM: Final = {"INTEGER": (19, 0), "BIGINT": (19, 0), "MONEY": (15, 4), "RATE": (15, 8)}
# Digits in all: one more is what Spark has for a product.
MOST_RECKONED: Final = 36


def source_column(field: str) -> str:
    """The column of activities a field is read from: that of a property where it is none of ours."""
    return FIELDS[field][0] if field in FIELDS else property_column(field)


def choices_of(aggregate: Aggregate) -> tuple[Activities, ...]:
    """The choices an aggregate is of: what is spent on orders is spent without one as well, as by exchanges."""
    of = aggregate.of
    if aggregate.kind in SUMS and aggregate.field == "amount" and of.name == "order":
        return of, replace(of, name=SPEND_APART)
    return (of,)


def columns_of(aggregate: Aggregate) -> frozenset[str]:
    """The columns of an extract whose very values an aggregate needs: `held_` and the activities' column."""
    read = {HELD + source_column(aggregate.field)} if aggregate.field else set()
    return frozenset(read | ({"occurred_at"} if is_ranked(aggregate) and aggregate.kind != "most" else set()))


def is_ranked(aggregate: Aggregate) -> bool:
    """Whether rows are put in order for it: the first and last of days are just the least and the greatest of them."""
    return aggregate.kind in _RANKED and not (aggregate.field == "day" and aggregate.kind in ("first", "last"))


def aggregates_in(value: Value) -> Iterator[Aggregate]:
    """The aggregates a value is made of, left to right."""
    match value:
        case Aggregate():
            yield value
        case DaysSince(day):
            yield from aggregates_in(day)
        case Arithmetic(_, left, right):
            yield from aggregates_in(left)
            yield from aggregates_in(right)


def traits_in(value: Value) -> Iterator[str]:
    """The traits a value reads, the parts of those that are a quotient among them."""
    match value:
        case TraitValue(name):
            yield name
            yield from RATIOS.get(name, ())
        case DaysSince(day):
            yield from traits_in(day)
        case Arithmetic(_, left, right):
            yield from traits_in(left)
            yield from traits_in(right)


def values_of_rule(rule: Rule) -> tuple[Value, ...]:
    """The values a leaf compares."""
    return (rule.left, rule.right) if isinstance(rule, Compared) else ()


def parted(value: Value) -> Value:
    """A trait that is a quotient as its parts, so that it is compared by them."""
    if isinstance(value, TraitValue) and value.trait in RATIOS:
        part, whole = RATIOS[value.trait]
        return Arithmetic("/", TraitValue(part), TraitValue(whole))
    return value


@dataclass(frozen=True, slots=True)
class Kinds:
    """Types of values. `traits`: lake types by name; `properties`: of events, as declared."""

    traits: Mapping[str, str]
    properties: Mapping[str, str]

    def field(self, name: str) -> str | None:
        """The lake type of a field of activities; None: there is none by that name."""
        if name in FIELDS:
            return FIELDS[name][1]
        declared = self.properties.get(name)
        return None if declared is None else property_type(declared)

    def of(self, value: Value) -> str | None:  # noqa: C901 - one case per kind of value
        """The lake type of a value, DOUBLE for a quotient; None where it has none, as a day times a number."""
        match value:
            case Aggregate("count" | "distinct"):
                return "BIGINT"
            case Aggregate("sum" | "total", _, field):
                return "MONEY" if field == "amount" else "RATE" if self.field(field) in NUMBERS else None
            case Aggregate(_, _, field):
                return self.field(field)
            case TraitValue(name):
                return self.traits.get(name)
            case DaysSince(day):
                return "BIGINT" if self.of(day) == "DATE" else None
            case Ago():
                return "DATE"
            case Constant(held):
                return _kind_of(held)
            case Arithmetic(operator, left, right):
                kinds = {self.of(left), self.of(right)}
                if not kinds <= set(NUMBERS):
                    return None
                if operator == "/" or "DOUBLE" in kinds:
                    return "DOUBLE"
                return "BIGINT" if kinds <= set(INTEGERS) else "RATE" if "RATE" in kinds or operator == "*" else "MONEY"

    def room(self, value: Value) -> tuple[int, int] | None:
        """Digits an exact number has room for before and after the point; None: it is a floating-point number, or none."""
        match value:
            case Constant(int() | float() | Decimal() as held):
                number = Decimal(str(held))
                return max(number.adjusted() + 1, 1), max(0, -int(number.as_tuple().exponent))
            case Arithmetic("+" | "-" | "*" as operator, left, right):
                one, other = self.room(left), self.room(right)
                if one is None or other is None:
                    return None
                if operator == "*":
                    return one[0] + other[0], one[1] + other[1]
                return max(one[0], other[0]) + 1, max(one[1], other[1])
        return None if isinstance(value, Arithmetic) else _ROOM.get(self.of(value) or "")


def _kind_of(held: object) -> str:
    match held:
        case bool():
            return "BOOLEAN"
        case int():
            return "BIGINT"
        case float() | Decimal():
            # As it is written: 0.1 is one tenth.
            return "RATE"
        case str():
            return "VARCHAR"
    return "DATE"
