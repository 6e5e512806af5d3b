"""The language segments are written in: typed literals that say who belongs, and nothing about how that is found out.

    Segment("night_owls", owner="team:crm", goal="app_orders", description="…",
            where=all_of(trait("orders_365d") >= 3, did("order", local_hour=(22, 4), within=days(30))))

Every leaf is total: what is unknown is false, also under `!=`; `none_of` negates that; `is_unknown()` asks for it.
Declares only: `segments.arguments` takes what is written by name and type, `segments.validation` judges a rule against what
there is, `segments.compiler` turns it into SQL. What cannot be meant raises nothing: it stops its segment, which `validate` tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from segment_pipeline.algebra.arguments import (
    Days,
    Names,
    Properties,
    Span,
    Within,
    word,
)
from segment_pipeline.algebra.asking import all_items, any_item, at_least, at_most, between, ends, has, no_item, starts
from segment_pipeline.algebra.choosing import Filters, a_rule, activities, did, did_not, names_of
from segment_pipeline.algebra.comparing import Quantity, Trait
from segment_pipeline.algebra.nodes import (
    AllOf,
    AnyOf,
    BirthdayRule,
    Dimension,
    EmailDomainRule,
    InsideRule,
    MemberRule,
    NearRule,
    NearStoreRule,
    NoneOf,
    PastRule,
    RandomRule,
    RankRule,
    SequenceRule,
    ShareRule,
    SqlRule,
    TopRule,
    UnfollowedRule,
    YearlyRule,
)
from segment_pipeline.algebra.parts import Activities, Mistake, Rule, Scalar, here
from segment_pipeline.algebra.quantities import (
    ago,
    avg_of,
    count,
    days_since,
    distinct,
    first,
    last,
    max_of,
    min_of,
    most_frequent,
    nth,
    share,
    sum_of,
    total_of,
)
from segment_pipeline.algebra.times import dates, days, ended, holidays, hours, period
from segment_pipeline.segments.fields import DEFAULT_MINIMUM_SIZE, Judged

__all__ = [
    "Activities",
    "Days",
    "Filters",
    "Names",
    "Properties",
    "Quantity",
    "Rule",
    "Scalar",
    "Segment",
    "Trait",
    "Within",
    "activities",
    "ago",
    "all_items",
    "all_of",
    "anniversary_within",
    "any_item",
    "any_of",
    "at_least",
    "at_most",
    "avg_of",
    "between",
    "birthday_past",
    "birthday_this_month",
    "birthday_within",
    "count",
    "dates",
    "days",
    "days_since",
    "did",
    "did_not",
    "distinct",
    "email_domain",
    "ended",
    "ends",
    "entered",
    "first",
    "has",
    "holidays",
    "hours",
    "inside",
    "last",
    "left",
    "max_of",
    "member_for",
    "member_of",
    "min_of",
    "most_frequent",
    "near",
    "near_store",
    "never_member",
    "no_item",
    "none_of",
    "not_then",
    "nth",
    "period",
    "random_share",
    "sequence",
    "share",
    "share_of_spend",
    "sql",
    "starts",
    "sum_of",
    "top",
    "top_n",
    "total_of",
    "trait",
    "was_member",
]


def _name_of(segment: "Segment | str") -> str:
    return segment if isinstance(segment, str) else segment.name


@word(lambda mistake: Trait("", mistake))
def trait(name: str) -> Trait:
    """A trait of `segment-pipeline traits`, to compare: `trait("orders_90d") >= 2`."""
    return Trait(name)


@word(Quantity)
def share_of_spend(
    *, department: str | None = None, category: str | None = None, collection: str | None = None, lifetime: bool = False
) -> Quantity:
    """The share of spend in the 365 days to as_of (`lifetime`: of all time) that went to one value of one dimension."""
    given: list[tuple[Dimension, str]] = []
    if department is not None:
        given.append(("department", department))
    if category is not None:
        given.append(("category", category))
    if collection is not None:
        given.append(("collection", collection))
    if len(given) != 1:
        return Quantity(
            Mistake("writes share_of_spend without exactly one of department, category and collection", here())
        )
    return Quantity(ShareRule(given[0][0], given[0][1], lifetime, ">=", Decimal(0)))


@a_rule
def member_of(segment: "Segment | str") -> Rule:
    """Belongs to another segment, as it is computed for the same day."""
    return MemberRule(_name_of(segment))


@a_rule
def near(lat: float, lon: float, km: float) -> Rule:
    return NearRule(float(lat), float(lon), float(km))


@a_rule
def near_store(km: float, *, store: Names | None = None) -> Rule:
    """The store they mostly buy in lies within `km` of a store that is there, or of one of those named."""
    return NearStoreRule(float(km), tuple(sorted(set(names_of(store)))))


@a_rule
def email_domain(*domains: str) -> Rule:
    """Has an e-mail address at one of the domains now, as it is written after the @: a subdomain is a domain of its own."""
    return EmailDomainRule(tuple(sorted({domain.strip().lower() for domain in domains})))


@a_rule
def inside(*corners: Span) -> Rule:
    return InsideRule(tuple((float(lat), float(lon)) for lat, lon in corners))


@a_rule
def birthday_within(number: Days) -> Rule:
    """The birthday is today or on one of the days after it, so many in all."""
    return BirthdayRule(number)


@a_rule
def birthday_past(number: Days) -> Rule:
    """The birthday was on one of so many days before today."""
    return YearlyRule("birth_day", number, 0)


@a_rule
def birthday_this_month() -> Rule:
    """The birthday is in this calendar month, past or to come."""
    return YearlyRule("birth_day", 0, 0, month=True)


@a_rule
def anniversary_within(trait: str, number: Days) -> Rule:
    """A day of an earlier year comes round today or on one of the days after it, so many in all."""
    return YearlyRule(trait, 0, number)


@a_rule
def top_n(trait: str, n: int) -> Rule:
    """Among exactly `n` people with the highest known value, or all of those there are; of equal values the smallest ids."""
    return TopRule(trait, n)


@a_rule
def top(
    trait: str,
    *,
    n: int | None = None,
    share: float | None = None,
    per: str | None = None,
    among: "Rule | Segment | str | None" = None,
) -> Rule:
    """Among the `n` people, or the `share` of people, with the highest values; `per`: of each value of that trait apart, as of a city;
    `among`: of the members of a segment, or of those who meet a rule.
    """
    chosen = among if isinstance(among, Rule) or among is None else member_of(among)
    return RankRule(trait, n, None if share is None else Decimal(str(share)), per, chosen)


@a_rule
def random_share(share: float, salt: str) -> Rule:
    """A share of all people by chance, the same people every day; another `salt` draws others."""
    return RandomRule(Decimal(str(share)), salt)


@a_rule
def was_member(segment: "Segment | str", *, ago: Days) -> Rule:
    """Was in the segment so many days before as_of: `ago=days(1)` is yesterday."""
    return PastRule(_name_of(segment), "member", 1, ago)


@a_rule
def member_for(segment: "Segment | str", number: Days) -> Rule:
    """Was in the segment on each of so many days before as_of."""
    return PastRule(_name_of(segment), "member", number, 1)


@a_rule
def entered(segment: "Segment | str", *, within: Days) -> Rule:
    """Came into the segment on one of so many days before as_of."""
    return PastRule(_name_of(segment), "entered", within)


@a_rule
def left(segment: "Segment | str", *, within: Days) -> Rule:
    """Went out of the segment on one of so many days before as_of."""
    return PastRule(_name_of(segment), "left", within)


@a_rule
def never_member(segment: "Segment | str") -> Rule:
    """Was in the segment on no day before as_of."""
    return NoneOf((PastRule(_name_of(segment), "ever"),))


@a_rule
def sql(predicate: str) -> Rule:
    """A predicate of DuckDB's dialect over the core traits, where no other word says it: `sql("spend_365d > 2 * spend_90d")`."""
    return SqlRule(predicate)


@a_rule
def sequence(*steps: Activities, within: Days, same_product: bool = False) -> Rule:
    """The steps one after the other; `same_product`: all about one product."""
    return SequenceRule(steps, within, same_product)


@a_rule
def not_then(first: Activities, then: Activities, *, within: Days) -> Rule:
    """Did the first, and for so many times 24 hours afterwards not the other; those have passed by the end of as_of."""
    return UnfollowedRule(first, then, within)


@a_rule
def all_of(*rules: Rule) -> Rule:
    return AllOf(rules)


@a_rule
def any_of(*rules: Rule) -> Rule:
    return AnyOf(rules)


@a_rule
def none_of(*rules: Rule) -> Rule:
    return NoneOf(rules)


@dataclass(frozen=True)
class Segment(metaclass=Judged):
    """A named group of people, who answers for it, and what it is to move.

    `owner`: `team:x` or an e-mail address. `goal`: the name of the measure it is judged by (`Catalogue.goals`).
    `minimum_size`: below it the segment is flagged. `message`: attributes tools receive for its members (message
    segments). `review_on`: when to look at it again. `mistakes`: what is wrong with how it was declared, as ends of
    sentences by field.
    """

    name: str
    owner: str
    goal: str
    description: str
    where: Rule
    review_on: date | None = None
    minimum_size: int = DEFAULT_MINIMUM_SIZE
    persona: bool = False
    message: Mapping[str, str] = field(default_factory=dict, hash=False)
    place: str = field(init=False, repr=False, compare=False, default="")
    mistakes: Mapping[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", here())
