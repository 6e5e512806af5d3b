"""Makes any number of varied segments, each with three conditions on events: what a company of many teams would declare.

The same number and seed give the same segments, and the first of more segments are those of fewer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from segment_pipeline.segments.judging import Judge
from segment_pipeline.segments.rules import (
    Filters,
    Rule,
    Segment,
    activities,
    all_of,
    any_of,
    birthday_within,
    days,
    did,
    did_not,
    member_of,
    near,
    none_of,
    sequence,
    share_of_spend,
    sum_of,
    top_n,
    trait,
)
from segment_pipeline.segments.vocabulary import Vocabulary

JUDGE = Judge(Vocabulary(events_have_local_time=True))
CONDITIONS = 3
WITH_PROPERTY = 0.7
WINDOWS = (7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365)
# What people did, and how often a rule asks for it: teams ask for browsing far more often than for orders.
NAMES = {
    "visit": 20,
    "product_viewed": 30,
    "category_viewed": 12,
    "cart_added": 14,
    "checkout_started": 4,
    "search": 6,
    "login": 4,
    "content_viewed": 5,
    "social_engaged": 4,
    "order": 4,
    "product_bought": 5,
}
ABOUT_PRODUCTS = ("product_viewed", "cart_added", "product_bought")


@dataclass(frozen=True)
class Assortment:
    """What the rules may name: values that occur in a company's products and events."""

    products: Sequence[str]
    brands: Sequence[str]
    departments: Sequence[str]
    categories: Sequence[str]
    campaigns: Sequence[str]
    queries: Sequence[str]
    topics: Sequence[str]
    networks: Sequence[str]
    place: tuple[float, float]


def varied_segments(number: int, assortment: Assortment, *, seed: int = 2017) -> list[Segment]:
    """So many segments; every seventh asks for membership of an earlier one."""
    return [_meant(index, assortment, Random(f"{seed}/{index}")) for index in range(number)]


def _meant(index: int, assortment: Assortment, random: Random) -> Segment:
    """One whose terms, as they were drawn, do not contradict each other."""
    made = _segment(index, assortment, random)
    while any(JUDGE.rule(made.where)):
        made = _segment(index, assortment, random)
    return made


def _segment(index: int, assortment: Assortment, random: Random) -> Segment:
    events = [_event(index * CONDITIONS + at, assortment, random) for at in range(CONDITIONS)]
    traits = [_trait(assortment, random) for _ in range(2)]
    match index % 3:
        case 0:
            parts = [any_of(*events), *traits]
        case 1:
            parts = [any_of(*events[:2]), events[2], any_of(*traits)]
        case _:
            parts = [events[0], any_of(*events[1:]), traits[0]]
    if index % 7 == 6:
        parts.append(none_of(member_of(f"varied_{random.randrange(index):03}")))
    if index % 20 == 11:
        viewed = activities("product_viewed", within=days(60), category=random.choice(assortment.categories))
        bought = activities("product_bought", within=days(60))
        parts.append(sequence(viewed, bought, within=days(14)))
    return Segment(
        f"varied_{index:03}",
        owner="team:bench",
        goal="orders_30d",
        description="One of many varied rules",
        where=all_of(*parts),
    )


def _event(number: int, assortment: Assortment, random: Random) -> Rule:
    name = random.choices(list(NAMES), list(NAMES.values()))[0]
    filters: Filters = {"within": days(random.choice(WINDOWS))}
    if random.random() < WITH_PROPERTY:
        filters = {**filters, **_property(name, assortment, random)}
    match number % 20:
        case 3:
            order = activities("order", within=days(random.choice(WINDOWS)), channel=random.choice(["web", "store"]))
            return sum_of("amount", order) >= random.randint(1, 300)
        case 7 if name in ABOUT_PRODUCTS[:2]:
            unfinished: Filters = {**filters, "not_followed_by": "product_bought"}
            return did(name, **unfinished)
        case 13 if name in ABOUT_PRODUCTS[:2]:
            return did(name, at_least=2, same_product=True, **filters)
        case 5 | 11 | 17:
            return did_not(name, **filters)
    return did(name, at_least=random.randint(1, 3), **filters)


def _property(name: str, assortment: Assortment, random: Random) -> Filters:
    match name:
        case "visit":
            return {"campaign": random.choice(assortment.campaigns)}
        case "category_viewed":
            return {"category": _some(assortment.categories, random)}
        case "search":
            return {"text": _some(assortment.queries, random)}
        case "content_viewed":
            return {"subject": random.choice(assortment.topics)}
        case "social_engaged":
            return {"subject": random.choice(assortment.networks)}
        case "order":
            return {"channel": random.choice(["web", "store"])}
        case "product_viewed" | "cart_added" | "product_bought":
            return _of_product(assortment, random)
    return {"local_hour": random.choice([(22, 4), (6, 9), (12, 14), (17, 22)])}


def _of_product(assortment: Assortment, random: Random) -> Filters:
    match random.randrange(6):
        case 0:
            return {"department": random.choice(assortment.departments)}
        case 1 | 2:
            return {"category": _some(assortment.categories, random)}
        case 3:
            return {"brand": random.choice(assortment.brands)}
        case 4:
            return {"category": random.choice(assortment.categories), "collection": "latest"}
    return {"product": _some(assortment.products, random)}


def _some(values: Sequence[str], random: Random) -> str | tuple[str, ...]:
    return random.choice(values) if random.random() < 0.7 else tuple(random.sample(values, 3))


def _trait(assortment: Assortment, random: Random) -> Rule:
    lat, lon = assortment.place
    return random.choice(
        [
            trait("lifecycle_stage") == random.choice(["new", "active", "at_risk", "churned"]),
            trait("value_tier") != "none",
            trait("orders_365d") >= random.randint(1, 5),
            trait("spend_365d") >= random.randint(10, 400),
            trait("rfm_m").isin(4, 5),
            trait("age").between(random.randint(18, 30), random.randint(35, 70)),
            trait("email_reachable").is_true(),
            trait("interests").contains(random.choice(assortment.departments)),
            trait("days_since_last_order") <= random.choice([30, 90, 180]),
            trait("gender").is_unknown(),
            near(lat + random.uniform(-3, 3), lon + random.uniform(-3, 3), random.choice([25.0, 100.0, 400.0])),
            birthday_within(days(random.choice([7, 14, 30]))),
            share_of_spend(department=random.choice(assortment.departments)) >= random.choice([0.1, 0.3, 0.5]),
            share_of_spend(category=random.choice(assortment.categories)) >= random.choice([0.05, 0.2]),
            top_n("spend_365d", random.choice([1_000, 10_000])),
        ]
    )
