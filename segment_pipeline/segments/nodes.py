"""What a rule is made of: frozen values that compare, hash and turn into canonical JSON; no behaviour of their own."""

import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from segment_pipeline.errors import ConfigError

Scalar = bool | int | float | Decimal | str | date
Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains", "between", "starts", "ends", "has", "unknown"]
Comparison = Literal["==", "<", "<=", ">", ">="]
Compare = Literal["==", "!=", "<", "<=", ">", ">="]
TestOperator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "between", "starts", "ends", "has", "any", "all", "none"]
AggregateKind = Literal["count", "sum", "min", "max", "distinct", "first", "last", "nth", "most"]
PastKind = Literal["member", "entered", "left", "ever"]
Unit = Literal["week", "month", "quarter", "year"]
Dimension = Literal["department", "category", "collection"]

LATEST = "latest"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ROOM: Final = Path(__file__).parent


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


@dataclass(frozen=True, slots=True)
class Mistake(Rule):
    """What was written and cannot be meant. `text`: what is wrong, as the end of a sentence; `place`: file and line of it.

    Holds for nobody, and the segment it stands in is never evaluated.
    """

    text: str
    place: str


def here() -> str:
    """File and line of what is being written: of the nearest caller outside this room."""
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and (
        Path(frame.f_code.co_filename).parent == _ROOM or frame.f_code.co_filename.startswith("<")
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@dataclass(frozen=True, slots=True)
class TraitRule(Rule):
    """A comparison of one trait. `values`: one for comparisons, two for `between`, any number for `in`, none for `unknown`."""

    trait: str
    operator: Operator
    values: tuple[Scalar, ...] = ()


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

    `count`, `sum` and `distinct` are 0 where there are none, all others unknown. `field`: what is aggregated; empty: the activities.
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


@dataclass(frozen=True, slots=True)
class CountRule(Rule):
    """The number of chosen activities lies between two numbers, both included; with `same_product`, of some one item."""

    of: Activities
    at_least: int = 1
    at_most: int | None = None
    same_product: bool = False


@dataclass(frozen=True, slots=True)
class SumRule(Rule):
    """The sum of `amount` (base currency) or `quantity` over the chosen activities; 0 when there are none.

    Over orders the amount is spend: what exchanges sold and what was given back without naming an order are in it.
    """

    of: Activities
    measure: Literal["amount", "quantity"]
    operator: Comparison
    value: Decimal


@dataclass(frozen=True, slots=True)
class Compared(Rule):
    """A comparison of two values of a person, none of them unknown; a quotient is compared crosswise, exactly."""

    left: Value
    operator: Compare
    right: Value


@dataclass(frozen=True, slots=True)
class ShareRule(Rule):
    """A share of a person's spend. Without spend that has a value of the dimension the share is unknown, not 0."""

    dimension: Dimension
    value: str
    lifetime: bool
    operator: Comparison
    share: Decimal


@dataclass(frozen=True, slots=True)
class MemberRule(Rule):
    segment: str


@dataclass(frozen=True, slots=True)
class NearRule(Rule):
    """The person's `lat` and `lon` traits lie within `km` of a point, along the great circle."""

    lat: float
    lon: float
    km: float


@dataclass(frozen=True, slots=True)
class NearStoreRule(Rule):
    """The person's `lat` and `lon` traits lie within `km` of a store that is there, of any where none is named."""

    km: float
    stores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InsideRule(Rule):
    """The person's `lat` and `lon` traits lie inside a polygon of (lat, lon) corners that does not cross the date line."""

    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class BirthdayRule(Rule):
    """The next birthday is on one of so many days, as_of the first of them. The 29th of February falls on the 28th in other years."""

    days: int


@dataclass(frozen=True, slots=True)
class YearlyRule(Rule):
    """The month and day of a trait (a DATE of an earlier year, or MM-DD) is that of one of the `past` days before as_of, or of the
    `ahead` days from as_of on; `month`: of any day of as_of's calendar month instead. The 29th of February is the 28th in other years.
    """

    trait: str
    past: int
    ahead: int
    month: bool = False


@dataclass(frozen=True, slots=True)
class TopRule(Rule):
    """Among the `n` people with the highest known value of a trait; equal values in the order of profile_id."""

    trait: str
    n: int


@dataclass(frozen=True, slots=True)
class RankRule(Rule):
    """Among the highest known values of a trait; equal values in the order of profile_id.

    `n` people, or (`share`) those whose place, less one, is below that share of all with a value. `per`: of each value of that
    trait apart, unknown ones of none. `among`: of those who meet that rule.
    """

    trait: str
    n: int | None = None
    share: Decimal | None = None
    per: str | None = None
    among: Rule | None = None


@dataclass(frozen=True, slots=True)
class RandomRule(Rule):
    """A share of all people that stays the same: those whose digest with `salt` lies below it."""

    share: Decimal
    salt: str


@dataclass(frozen=True, slots=True)
class PastRule(Rule):
    """What the snapshots before as_of say of a segment's members; days without one say of nobody.

    `member`: on each of so many days, the last of them `ago` before as_of. `entered` and `left`: on one of the `days` days before
    as_of, by what people did and not by a definition that was new or changed. `ever`: entered on any day.
    """

    segment: str
    kind: PastKind
    days: int = 0
    ago: int = 1


@dataclass(frozen=True, slots=True)
class SqlRule(Rule):
    """A predicate in SQL over the core traits of a person, parsed and checked; unknown is false."""

    text: str


@dataclass(frozen=True, slots=True)
class UnfollowedRule(Rule):
    """An activity after which, so many times 24 hours long, the other did not come; those hours have passed by the end of as_of."""

    first: Activities
    then: Activities
    within: int


@dataclass(frozen=True, slots=True)
class SequenceRule(Rule):
    """Activities one strictly after the other, the last at most `within` times 24 hours after the first.

    `same_product`: all about one item.
    """

    steps: tuple[Activities, ...]
    within: int
    same_product: bool = False


@dataclass(frozen=True, slots=True)
class AllOf(Rule):
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Rule):
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class NoneOf(Rule):
    rules: tuple[Rule, ...]
