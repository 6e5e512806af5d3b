"""Random rules over random people: the compiler's SQL and the plain evaluator name the same members."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.evaluate import World, members
from segment_pipeline.segments.rules import (
    Rule,
    activities,
    all_of,
    any_of,
    birthday_within,
    days,
    did,
    did_not,
    inside,
    member_of,
    near,
    none_of,
    sequence,
    share_of_spend,
    sum_of,
    top_n,
    trait,
)
from segment_pipeline.segments.validation import validate
from segment_pipeline_tests.segments.conftest import ACTIVITY_SCHEMA, PRODUCT_SCHEMA, compiled_members, segment

PEOPLE = [f"{number:032x}" for number in range(6)]
NAMES = ["visit", "product_viewed", "product_bought", "order"]
TEXTS = ["Shoes", "Läufer 👟", "it's $x; --", "latest edition"]
AS_OF = st.sampled_from([date(2017, 12, 31), date(2016, 2, 29), date(2017, 2, 28), date(2019, 2, 27), date(2018, 3, 1)])
maybe_text = st.none() | st.sampled_from(TEXTS)
money = st.sampled_from([Decimal("0"), Decimal("0.1000"), Decimal("-3.5000"), Decimal("99.9999")])
fraction = st.sampled_from([0.0, 0.1, 0.3, 0.30000000000000004, 1.0])
lat = st.sampled_from([0.0, 39.1, 40.0, -33.9])
lon = st.sampled_from([0.0, -84.5, 10.25])
birth_day = st.sampled_from(["02-28", "02-29", "03-01", "12-31", "01-01", "06-15"])

TRAITS: dict[str, st.SearchStrategy[Any]] = {
    "orders_total": st.integers(0, 4),
    "age": st.integers(17, 20),
    "spend_total": money,
    "markdown_share": fraction,
    "lifecycle_stage": st.sampled_from(TEXTS),
    "last_order_on": st.sampled_from([date(2016, 2, 29), date(2017, 12, 31), date(2018, 1, 1)]),
    "email_reachable": st.booleans(),
    "interests": st.lists(st.sampled_from(TEXTS), max_size=2),
    "birth_day": birth_day,
    "lat": lat,
    "lon": lon,
}


@st.composite
def an_activity(draw: st.DrawFn, as_of: date) -> dict[str, Any]:
    day = as_of - timedelta(days=draw(st.sampled_from([-1, 0, 1, 2, 6, 7, 30])))
    at = datetime.combine(day, time(draw(st.sampled_from([0, 4, 12, 22, 23]))), UTC)
    return {
        "profile_id": draw(st.sampled_from([*PEOPLE, "f" * 32])), "name": draw(st.sampled_from(NAMES)),
        "occurred_at": at, "occurred_on": day, "local_at": draw(st.none() | st.just(at.replace(tzinfo=None))),
        "item_key": draw(st.none() | st.sampled_from(["a", "b"])), "category": draw(maybe_text), "department": draw(maybe_text),
        "collection": draw(st.none() | st.sampled_from(["old", "new", "newer"])), "text": draw(maybe_text),
        "amount": draw(st.none() | money), "quantity": draw(st.none() | st.just(Decimal("0.5"))),
        "score": draw(st.none() | st.sampled_from([1.0, 2.0, 5.0])), "source": draw(st.sampled_from(["till", "web"])),
    }  # fmt: skip


@st.composite
def a_product(draw: st.DrawFn, as_of: date) -> dict[str, Any]:
    launched = draw(st.none() | st.sampled_from([-1, 0, 1, 300]))
    return {
        "item_key": draw(st.sampled_from(["a", "b"])), "category": draw(maybe_text), "department": draw(maybe_text),
        "collection": draw(st.none() | st.sampled_from(["old", "new", "newer"])),
        "launched_on": None if launched is None else as_of - timedelta(days=launched),
    }  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> World:
    as_of = draw(AS_OF)
    people = draw(st.lists(st.sampled_from(PEOPLE), unique=True, max_size=6))
    traits = [
        {"as_of": as_of, "profile_id": one} | {name: draw(st.none() | held) for name, held in TRAITS.items()} for one in people
    ]
    shares = []
    for one in people:
        known_year, known_ever = draw(st.booleans()), draw(st.booleans())
        for value in draw(st.lists(st.sampled_from(TEXTS), unique=True, max_size=2)):
            shares.append({
                "as_of": as_of, "profile_id": one, "dimension": draw(st.sampled_from(["department", "category"])), "value": value,
                "spend_365d": Decimal(0), "spend_total": Decimal(0),
                "share_365d": draw(fraction) if known_year else None, "share_total": draw(fraction) if known_ever else None,
            })  # fmt: skip
    acts = draw(st.lists(an_activity(as_of), max_size=14))
    products = draw(st.lists(a_product(as_of), max_size=5))
    full_acts = [dict.fromkeys(ACTIVITY_SCHEMA.names) | row for row in acts]
    return World(as_of, traits, shares, full_acts, [dict.fromkeys(PRODUCT_SCHEMA.names) | row for row in products])


def _compared(name: str, held: st.SearchStrategy[Any]) -> st.SearchStrategy[Rule]:
    one = trait(name)
    return st.one_of(
        held.map(lambda v: one == v),
        held.map(lambda v: one != v),
        st.lists(held, min_size=1, max_size=3).map(lambda vs: one.isin(*vs)),
        st.just(one.is_unknown()),
    )


def _ordered(name: str, held: st.SearchStrategy[Any]) -> st.SearchStrategy[Rule]:
    one = trait(name)
    return st.one_of(
        held.map(lambda v: one < v),
        held.map(lambda v: one <= v),
        held.map(lambda v: one > v),
        held.map(lambda v: one >= v),
        st.tuples(held, held).map(lambda vs: one.between(min(vs), max(vs))),
        _compared(name, held),
    )


selections = st.fixed_dictionaries(
    {},
    optional={
        "within": st.sampled_from([1, 2, 7, 31]).map(days),
        "product": st.sampled_from(["a", ("a", "b")]),
        "category": st.sampled_from([TEXTS[0], tuple(TEXTS[:2])]),
        "department": st.sampled_from([TEXTS[1], tuple(TEXTS[1:])]),
        "collection": st.sampled_from(["latest", "old", ("old", "latest")]),
        "text": st.sampled_from(TEXTS),
        "source": st.just("web"),
        "local_hour": st.sampled_from([(22, 4), (0, 12), (23, 24)]),
        "score": st.sampled_from([(1, 2), (5, 5)]),
        "not_followed_by": st.sampled_from(["product_bought", "visit"]),
        "never": st.sampled_from(["product_bought", "order"]),
    },
)
simple = st.fixed_dictionaries({}, optional={"within": st.sampled_from([1, 2, 31]).map(days), "category": st.sampled_from(TEXTS)})
names = st.sampled_from(NAMES)
mixed_number = st.sampled_from([0, 1, 2, 0.1, 0.5, 1.5, Decimal("0.1"), Decimal("-3.5")])


def _count(name: str, of: dict[str, Any], low: int, more: int | None) -> Rule:
    return did(name, at_least=low, at_most=more if low == 0 and more is None else None if more is None else low + more, **of)


@st.composite
def counted(draw: st.DrawFn) -> Rule:
    name, of = draw(names), draw(st.one_of(selections, simple))
    match draw(st.sampled_from(["at_least", "range", "none", "product"])):
        case "at_least":
            return did(name, at_least=draw(st.integers(1, 3)), **of)
        case "range":
            low = draw(st.integers(0, 2))
            return did(name, at_least=low, at_most=low + draw(st.integers(0, 2)), **of)
        case "none":
            return did_not(name, **of)
    return did(name, at_least=draw(st.integers(1, 2)), same_product=True, **of)


@st.composite
def quantified(draw: st.DrawFn) -> Rule:
    if draw(st.booleans()):
        quantity = sum_of(draw(st.sampled_from(["amount", "quantity"])), activities(draw(names), **draw(selections)))
        limit = draw(mixed_number)
    else:
        dimension = draw(st.sampled_from(["department", "category"]))
        quantity = share_of_spend(**{dimension: draw(st.sampled_from(TEXTS))}, lifetime=draw(st.booleans()))
        limit = draw(fraction)
    match draw(st.sampled_from(["<", "<=", ">", ">=", "=="])):
        case "<":
            return quantity < limit
        case "<=":
            return quantity <= limit
        case ">":
            return quantity > limit
        case ">=":
            return quantity >= limit
    return quantity == limit


leaves = st.one_of(
    _ordered("orders_total", mixed_number),
    _ordered("age", mixed_number),
    _ordered("spend_total", money | mixed_number),
    _ordered("markdown_share", fraction),
    _ordered("last_order_on", TRAITS["last_order_on"]),
    _compared("lifecycle_stage", st.sampled_from(TEXTS)),
    _compared("email_reachable", st.booleans()),
    st.sampled_from(TEXTS).map(lambda v: trait("interests").contains(v)),
    counted(),
    counted(),
    counted(),
    quantified(),
    st.builds(near, lat, lon, st.sampled_from([1.0, 100.0, 10_000.0])),
    st.just(inside((38.0, -90.0), (41.0, -90.0), (41.0, -80.0), (38.0, -80.0))),
    st.just(inside((-40.0, -100.0), (39.5, 0.0), (41.0, 20.0))),
    st.sampled_from([0, 1, 2, 60, 366]).map(lambda n: birthday_within(days(n))),
    st.builds(top_n, st.sampled_from(["orders_total", "spend_total", "last_order_on"]), st.integers(1, 3)),
    st.builds(lambda a, b, n: sequence(activities(a[0], **a[1]), activities(b[0], **b[1]), within=days(n)),
              st.tuples(names, simple), st.tuples(names, simple), st.sampled_from([1, 7, 40])),
)  # fmt: skip
rules: st.SearchStrategy[Rule] = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda kind, parts: kind(*parts), st.sampled_from([all_of, any_of, none_of]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def engine_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    path: Path = tmp_path_factory.mktemp("property")
    return Lake(str(path / "lake"), DuckDBEngine(memory="500MB", threads=1, spill=path / "spill"))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds(), wheres=st.lists(rules, min_size=1, max_size=6))
def test_compiler_and_evaluator_name_the_same_members(engine_lake: Lake, world: World, wheres: list[Rule]) -> None:
    segments = [segment(f"s{number}", where) for number, where in enumerate(wheres)]
    segments.append(segment("outside", none_of(member_of("s0"))))
    assert validate(segments, NAMES) == []
    assert compiled_members(engine_lake, segments, world) == members(segments, world)
