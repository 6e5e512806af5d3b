"""What rules are made of: choices among activities, windows, values of a person, and what is wrong with how one was written."""

import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from segment_pipeline.errors import ConfigError

Scalar = bool | int | float | Decimal | str | date
TestOperator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "between", "starts", "ends", "has", "any", "all", "none"]
AggregateKind = Literal["count", "sum", "total", "min", "max", "distinct", "first", "last", "nth", "most"]
Unit = Literal["week", "month", "quarter", "year"]

LATEST = "latest"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# Where words are declared: what is written with them stands elsewhere.
_ROOMS: Final = tuple(Path(__file__).parents[1] / room for room in ("algebra", "segments"))


class Rule:
    """A condition on a person. Rules combine with `all_of`, `any_of` and `none_of`, never with `and`, `or` and `not`."""

    __slots__ = ()

    def __bool__(self) -> bool:
        # `and`, `or`, `not` and chained comparisons ask for it and go on with one side: nothing of them is left to be judged.
        raise ConfigError(f"{here()}: a rule has no truth of its own: combine rules with all_of, any_of and none_of")

    def __and__(self, other: object) -> "Rule":
        return Mistake("combines rules by & or |: combine them with all_of, any_of and none_of", here())

    __or__ = __rand__ = __ror__ = __and__

    def __invert__(self) -> "Rule":
        return Mistake("negates a rule by ~: negate it with none_of", here())

    def __ge__(self, other: object) -> "Rule":
        return Mistake(
            'compares or reckons with a rule, which has no number: write did("order", at_least=2), or compare count(activities("order"))',
            here(),
        )

    __gt__ = __le__ = __lt__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __xor__ = __rxor__ = (
        __ge__
    )


@dataclass(frozen=True, slots=True)
class Mistake(Rule):
    """What was written and cannot be meant. `text`: what is wrong, as the end of a sentence; `place`: file and line of it.

    Holds for nobody, and the segment it stands in is never evaluated.
    """

    text: str
    place: str


def here() -> str:
    """File and line of what is being written: of the nearest caller outside the rooms of words."""
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and (
        Path(frame.f_code.co_filename).parent in _ROOMS or frame.f_code.co_filename.startswith("<")
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Term:
    """A part of a rule that is no rule itself: a window, a test of an activity, a value of a person."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ended(Term):
    """So many company days, the last of them `ago` days before as_of."""

    days: int
    ago: int


@dataclass(frozen=True, slots=True)
class Hours(Term):
    """The last so many times 3600 seconds of the as-of day."""

    hours: int


@dataclass(frozen=True, slots=True)
class Dates(Term):
    """Company days from one to another, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Period(Term):
    """A calendar week (Monday first), month, quarter or year: that of as_of up to as_of, or the whole one `back` before it."""

    unit: Unit
    back: int


@dataclass(frozen=True, slots=True)
class Holidays(Term):
    """Public holidays of a country (ISO 3166), of all or of one name, in any year up to as_of; or the `before` days before each."""

    country: str
    name: str | None
    before: int


Window = Ended | Hours | Dates | Period | Holidays


@dataclass(frozen=True, slots=True)
class Asked(Term):
    """What a field of an activity is asked, before it is known which: the operator of a `Test`, and its values."""

    operator: TestOperator
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Test(Term):
    """What one activity is asked: a column of the activities against values. What is unknown meets nothing.

    Texts are compared as they are, by `starts`, `ends` and `has` in lower case; `any`, `all` and `none` are asked of lists.
    """

    column: str
    operator: TestOperator
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Term):
    """A value of a person over chosen activities.

    `count`, `sum`, `total` and `distinct` are 0 where there are none, all others unknown; a `total` is unknown too where there are
    some and of none of them it is known what is added. `field`: what is aggregated; empty: the activities.
    `first`, `last` and `nth` (`n` from 1) go by time, ties by the value; `most`: the value of most activities, of equally many the
    smallest. Activities whose field is unknown are left out.
    """

    kind: AggregateKind
    of: "Activities"
    field: str = ""
    n: int = 0


@dataclass(frozen=True, slots=True)
class TraitValue(Term):
    """What a trait is; unknown where it is."""

    trait: str


@dataclass(frozen=True, slots=True)
class DaysSince(Term):
    """Company days from a day to as_of; negative for a day to come."""

    day: "Value"


@dataclass(frozen=True, slots=True)
class Ago(Term):
    """The company day so many before as_of."""

    days: int


@dataclass(frozen=True, slots=True)
class Arithmetic(Term):
    """Two values added, subtracted, multiplied or divided; unknown where one is, and by a divisor of 0 or less."""

    operator: Literal["+", "-", "*", "/"]
    left: "Value"
    right: "Value"


@dataclass(frozen=True, slots=True)
class Constant(Term):
    value: Scalar


Value = Aggregate | TraitValue | DaysSince | Ago | Arithmetic | Constant


# Fields of a choice that hold names, any of which is meant, in whatever order.
NAMED: Final = (
    "item",
    "brand",
    "department",
    "category",
    "collection",
    "campaign",
    "channel",
    "subject",
    "text",
    "source",
)


# The activities' column each of them is compared with.
COLUMNS: Final = {field: field for field in NAMED} | {"item": "item_key"}


@dataclass(frozen=True, slots=True)
class Activities:
    """A choice among a person's activities; an empty tuple does not restrict.

    `item`: the company's article number, equal across sources. `within`: company days to as_of; None: ever.
    `local_hour` (22, 4): from 22:00 until before 04:00 on the wall clock where it happened.
    `score`: from, to, both included. `not_followed_by`: no activity of that name with the same item at that instant or later.
    `never`: no activity of that name with the same item at any time. Both drop activities without an item.
    `properties`: of an event of a company's own, by name the values each may have. `window`: another than the days of `within`.
    `tests`: what else each activity must meet. `mistakes`: what is wrong with how it was written; nothing is chosen then.
    """

    name: str
    item: tuple[str, ...] = ()
    brand: tuple[str, ...] = ()
    department: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    collection: tuple[str, ...] = ()
    campaign: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    within: int | None = None
    local_hour: tuple[int, int] | None = None
    score: tuple[float, float] | None = None
    not_followed_by: str | None = None
    never: str | None = None
    properties: tuple[tuple[str, tuple[Scalar, ...]], ...] = ()
    window: Window | None = None
    tests: tuple[Test, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    def __ge__(self, other: object) -> Rule:
        return Mistake("compares or reckons with activities: compare how many there are, count(activities(…))", here())

    __gt__ = __le__ = __lt__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __ge__


def property_column(name: str) -> str:
    """What activities call a property of events, beside their own columns."""
    return f"property_{name}"
