"""What a rule is made of: frozen values that compare, hash and turn into canonical JSON; no behaviour of their own."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from segment_pipeline.errors import ConfigError

Scalar = bool | int | float | Decimal | str | date
Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains", "between", "unknown"]
Comparison = Literal["==", "<", "<=", ">", ">="]
Dimension = Literal["department", "category", "collection"]

LATEST = "latest"


class Rule:
    """A condition on a person. Rules combine with `all_of`, `any_of` and `none_of`, never with `and`, `or` and `not`."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise ConfigError("a rule has no truth of its own: combine rules with all_of, any_of and none_of")


@dataclass(frozen=True, slots=True)
class TraitRule(Rule):
    """A comparison of one trait. `values`: one for comparisons, two for `between`, any number for `in`, none for `unknown`."""

    trait: str
    operator: Operator
    values: tuple[Scalar, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Activities:
    """A choice among a person's activities; an empty tuple does not restrict.

    `item`: the company's article number, equal across sources. `within`: company days to as_of; None: ever.
    `local_hour` (22, 4): from 22:00 until before 04:00 on the wall clock where it happened.
    `score`: from, to, both included. `not_followed_by`: no activity of that name with the same item at that instant or later.
    `never`: no activity of that name with the same item at any time. Both drop activities without an item.
    `properties`: of an event of a company's own, by name the values each may have.
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


@dataclass(frozen=True, slots=True)
class CountRule(Rule):
    """The number of chosen activities lies between two numbers, both included; with `same_product`, of some one item."""

    of: Activities
    at_least: int = 1
    at_most: int | None = None
    same_product: bool = False


@dataclass(frozen=True, slots=True)
class SumRule(Rule):
    """The sum of `amount` (base currency) or `quantity` over the chosen activities; 0 when there are none."""

    of: Activities
    measure: Literal["amount", "quantity"]
    operator: Comparison
    value: Decimal


@dataclass(frozen=True, slots=True)
class ShareRule(Rule):
    """A share of a person's spend. Without spend that has a value of the dimension the share is unknown, not 0."""

    dimension: Dimension
    value: str
    lifetime: bool
    operator: Comparison
    share: float


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
class InsideRule(Rule):
    """The person's `lat` and `lon` traits lie inside a polygon of (lat, lon) corners that does not cross the date line."""

    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class BirthdayRule(Rule):
    """The next birthday is at most so many days after as_of; 0 is today. The 29th of February falls on the 28th in other years."""

    days: int


@dataclass(frozen=True, slots=True)
class TopRule(Rule):
    """Among the `n` people with the highest known value of a trait; equal values in the order of profile_id."""

    trait: str
    n: int


@dataclass(frozen=True, slots=True)
class SequenceRule(Rule):
    """Activities one strictly after the other, the last at most `within` times 24 hours after the first."""

    steps: tuple[Activities, ...]
    within: int


@dataclass(frozen=True, slots=True)
class AllOf(Rule):
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Rule):
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class NoneOf(Rule):
    rules: tuple[Rule, ...]
