"""The rules: frozen values that compare, hash and turn into canonical JSON; no behaviour of their own."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from segment_pipeline.algebra.parts import Activities, Rule, Scalar, Value

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains", "between", "starts", "ends", "has", "unknown"]
Comparison = Literal["==", "<", "<=", ">", ">="]
Compare = Literal["==", "!=", "<", "<=", ">", ">="]
PastKind = Literal["member", "entered", "left", "ever"]
Dimension = Literal["department", "category", "collection"]


@dataclass(frozen=True, slots=True)
class TraitRule(Rule):
    """A comparison of one trait. `values`: one for comparisons, two for `between`, any number for `in`, none for `unknown`."""

    trait: str
    operator: Operator
    values: tuple[Scalar, ...] = ()


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
class EmailDomainRule(Rule):
    """One of the e-mail addresses the person has now is at one of these domains, in lower case; a domain's own subdomains are others."""

    domains: tuple[str, ...]


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
