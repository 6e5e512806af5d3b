"""Random rules over random people: the compiler's SQL and the plain evaluator name the same members."""

import operator
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.definition import children
from segment_pipeline.segments.evaluate import World, members
from segment_pipeline.segments.rules import (
    Quantity,
    Rule,
    activities,
    ago,
    all_of,
    anniversary_within,
    any_of,
    at_least,
    at_most,
    avg_of,
    between,
    birthday_past,
    birthday_this_month,
    birthday_within,
    count,
    dates,
    days,
    days_since,
    did,
    did_not,
    distinct,
    ended,
    ends,
    entered,
    first,
    has,
    holidays,
    hours,
    inside,
    last,
    left,
    max_of,
    member_for,
    member_of,
    min_of,
    most_frequent,
    near,
    never_member,
    none_of,
    not_then,
    nth,
    period,
    random_share,
    sequence,
    share,
    share_of_spend,
    starts,
    sum_of,
    top,
    top_n,
    trait,
    was_member,
)
from segment_pipeline.segments.validation import validate
from segment_pipeline_tests.segments.conftest import ACTIVITY_SCHEMA, PRODUCT_SCHEMA, compiled_members, segment

PEOPLE = [f"{number:032x}" for number in range(6)]
NAMES = ["visit", "product_viewed", "product_bought", "order", "survey_answered"]
STAGES = ["new", "active", "churned"]
TEXTS = ["Shoes", "Läufer 👟", "it's $x; --", "latest edition"]
AS_OF = [date(2017, 12, 31), date(2016, 2, 29), date(2017, 2, 28), date(2019, 2, 27), date(2018, 3, 1)]
MONEY = [Decimal("0"), Decimal("0.1000"), Decimal("-3.5000"), Decimal("99.9999")]
# Parts and wholes whose quotients meet a fraction exactly, lie beside it, or have no end; no whole: unknown.
QUOTIENTS = [("4.8000", "12.0000"), ("4.7999", "12.0000"), ("4.8001", "12.0000"), ("0.1000", "1.0000"), ("0.3000", "1.0000"),
             ("1.0000", "3.0000"), ("0.0000", "7.0000"), ("-1.0000", "3.0000"), ("5.0000", "5.0000"), ("0.0000", "0.0000")]  # fmt: skip
FRACTIONS: list[float | Decimal] = [0.0, 0.1, 0.3, 0.4, Decimal("0.333333333333333333"), 1.0]
LAST_ORDERS = [date(2016, 2, 29), date(2017, 12, 31), date(2018, 1, 1)]
# Items with their SKUs: two are one article where they have one in common; of one nobody knows any.
ITEMS: dict[str, list[str] | None] = {"a": ["a"], "b": ["b"], "a|b": ["a", "b"], "b|c": ["b", "c"], "web:1": None}
COLLECTIONS = ["old", "new", "newer"]
money, fraction = st.sampled_from(MONEY), st.sampled_from(FRACTIONS)
lat, lon = st.sampled_from([0.0, 39.1, 40.0, -33.9]), st.sampled_from([0.0, -84.5, 10.25])


def _maybe(random: Random, values: Sequence[Any], unknown: float = 0.25) -> Any:
    return None if random.random() < unknown else random.choice(values)


def _quotient(random: Random, name: str) -> dict[str, Any]:
    part, whole = map(Decimal, random.choice(QUOTIENTS))
    if name == "aov_365d":
        whole = Decimal(random.choice([0, 3, 12]))
    if name == "late_night_share":
        part, whole = Decimal(random.randrange(5)), Decimal(random.choice([0, 5, 10]))
    quotient = None if not whole else round(part / whole, 4) if name == "aov_365d" else float(part / whole)
    return {name: quotient} | dict(zip(RATIOS[name], (part, whole), strict=True))


def _person(random: Random, profile_id: str, as_of: date) -> dict[str, Any]:
    return {
        "as_of": as_of, "profile_id": profile_id, "orders_total": _maybe(random, range(5)), "age": _maybe(random, range(17, 21)),
        "spend_total": _maybe(random, MONEY), **_quotient(random, "markdown_share"), **_quotient(random, "aov_365d"), **_quotient(random, "late_night_share"),
        "lifecycle_stage": _maybe(random, STAGES), "city": _maybe(random, TEXTS), "last_order_on": _maybe(random, LAST_ORDERS),
        "email_reachable": _maybe(random, [True, False]), "interests": _maybe(random, [[], TEXTS[:1], TEXTS[1:3]]),
        "birth_day": _maybe(random, ["02-28", "02-29", "03-01", "12-31", "01-01", "06-15"]),
        "lat": _maybe(random, [0.0, 39.1, 40.0, -33.9]), "lon": _maybe(random, [0.0, -84.5, 10.25]),
    }  # fmt: skip


def _activity(random: Random, as_of: date) -> dict[str, Any]:
    day = as_of - timedelta(days=random.choice([-1, 0, 0, 1, 2, 6, 7, 30, 31]))
    at = datetime.combine(day, time(random.choice([0, 4, 12, 22, 23])), UTC)
    return dict.fromkeys(ACTIVITY_SCHEMA.names) | {
        "profile_id": random.choice([*PEOPLE, "f" * 32]), "name": random.choice(NAMES),
        "occurred_at": at, "occurred_on": day, "local_at": _maybe(random, [at.replace(tzinfo=None)]),
        "item_key": _maybe(random, list(ITEMS)), "category": _maybe(random, TEXTS[:3]), "department": _maybe(random, TEXTS[1:]),
        "collection": _maybe(random, COLLECTIONS), "text": _maybe(random, TEXTS[:2]),
        "amount": _maybe(random, MONEY), "quantity": _maybe(random, [Decimal("0.5"), Decimal("1")]),
        "score": _maybe(random, [1.0, 2.0, 5.0]), "source": random.choice(["till", "web"]),
        "is_markdown": _maybe(random, [True, False]), "store_key": _maybe(random, ["s1", "s2"]), "order_key": _maybe(random, ["o1", "o2", "o3"]), "order_number": _maybe(random, [1, 2, 3]),
        "coupon_codes": _maybe(random, [[], ["TEN"], ["TEN", "FREE"]]),
    }  # fmt: skip


def _product(random: Random, as_of: date) -> dict[str, Any]:
    launched, item = _maybe(random, [-1, 0, 1, 300]), random.choice(list(ITEMS))
    return dict.fromkeys(PRODUCT_SCHEMA.names) | {
        "item_key": item, "skus": ITEMS[item], "category": _maybe(random, TEXTS[:3]), "department": _maybe(random, TEXTS[1:]),
        "collection": _maybe(random, COLLECTIONS),
        "launched_on": None if launched is None else as_of - timedelta(days=launched),
    }  # fmt: skip


def _shares(random: Random, profile_id: str, as_of: date) -> list[dict[str, Any]]:
    # A share is unknown for all values of a dimension or for none: it has one denominator per person.
    whole = {
        (d, c): random.choice(["12.0000", "3.0000", "1.0000", "0.0000"])
        for d in ("department", "category")
        for c in ("365d", "total")
    }
    return [
        {
            "as_of": as_of,
            "profile_id": profile_id,
            "dimension": dimension,
            "value": value,
        }
        | {f"spend_{column}": Decimal(random.choice(QUOTIENTS)[0]) for column in ("365d", "total")}
        | {f"known_{column}": Decimal(whole[dimension, column]) for column in ("365d", "total")}
        for dimension in ("department", "category")
        for value in random.sample(TEXTS, random.randrange(3))
    ]


CAUSES = ["data", "first", "gap", "definition", "identity"]


def _was(random: Random, as_of: date) -> dict[str, Any]:
    """A row of memberships: of a segment, on a day before or of as_of."""
    day = as_of - timedelta(days=random.choice([0, 1, 2, 3]))
    held = {"as_of": day, "segment": random.choice(["s1", "s2"]), "definition_hash": "h"}
    return held | {"profile_id": random.choice([*PEOPLE, "f" * 32])}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Dense random days, drawn by seed: hypothesis' own lists are mostly too short for counts to be met."""
    random = Random(draw(st.integers(0, 2**32)))
    as_of = draw(st.sampled_from(AS_OF))
    people = [one for one in PEOPLE if random.random() < 0.8]
    return World(
        as_of,
        [_person(random, one, as_of) for one in people],
        [row for one in people for row in _shares(random, one, as_of)],
        [_activity(random, as_of) for _ in range(draw(st.sampled_from([120, 60, 0])))],
        [_product(random, as_of) for _ in range(draw(st.sampled_from([12, 3, 0])))],
        [_was(random, as_of) for _ in range(12)],
        [
            _was(random, as_of)
            | {"change": random.choice(["entered", "exited"]), "cause": random.choice(CAUSES), "previous_as_of": None}
            for _ in range(12)
        ],
    )


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


FILTERS: dict[str, list[Any]] = {
    "within": [
        days(1),
        days(2),
        days(7),
        days(31),
        ended(days(6), ago=days(1)),
        ended(days(30), ago=days(2)),
        hours(12),
        hours(48),
        dates(date(2016, 2, 1), date(2017, 2, 28)),
        period("week"),
        period("month", back=1),
        period("quarter"),
        period("year", back=1),
        holidays("US"),
        holidays("US", "Christmas Day", before=10),
    ],
    "amount": [at_least(0), at_most(Decimal("0.1")), between(-4, 99.9999)],
    "quantity": [at_least(1)],
    "of_order": [1, at_most(2), between(2, 3)],
    "markdown": [True, False],
    "store": ["s1", ("s1", "s2")],
    "coupon": [True, False, "FREE", ("TEN", "FREE")],
    "weekday": ["mon", ("sat", "sun")],
    "product": ["a", "c", ("a", "b"), "web:1"],
    "category": [TEXTS[0], tuple(TEXTS[:2])],
    "department": [TEXTS[1], tuple(TEXTS[1:])],
    "collection": ["latest", "old", ("old", "latest")],
    "text": [*TEXTS[:2], starts("LÄU"), ends("oes"), has("\u00e4u")],
    "source": ["web"],
    "local_hour": [(22, 4), (0, 12), (23, 24)],
    "score": [(1, 2), (5, 5)],
    "not_followed_by": ["product_bought", "product_viewed"],
    "never": ["product_bought"],
}
# Activities with those of the filters that they fill; what rows hold besides decides nothing.
FILLED = {
    "visit": ["within", "category", "collection", "text", "source"],
    "product_viewed": [
        "within",
        "product",
        "category",
        "department",
        "collection",
        "source",
        "not_followed_by",
        "never",
    ],
    "product_bought": [
        "within",
        "product",
        "category",
        "department",
        "collection",
        "source",
        "local_hour",
        "not_followed_by",
        "amount",
        "quantity",
        "markdown",
        "store",
        "coupon",
        "weekday",
        "of_order",
    ],
    "order": ["within", "source", "local_hour", "amount", "store", "coupon", "weekday", "of_order"],
    "survey_answered": ["within", "text", "score"],
}
ABOUT_PRODUCTS = ["product_viewed", "product_bought"]


def selected(*names: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """An activity by one of these names, and up to two filters."""

    def filtered(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        return (
            st.lists(st.sampled_from(FILLED[name]), unique=True, max_size=2)
            .flatmap(lambda chosen: st.fixed_dictionaries({one: st.sampled_from(FILTERS[one]) for one in chosen}))
            .map(lambda filters: (name, filters))
            .filter(lambda of: of[1].get("not_followed_by") != name)
        )

    return st.sampled_from(names).flatmap(filtered)


simple: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"within": st.sampled_from([1, 2, 31]).map(days)}
)
mixed_number: st.SearchStrategy[int | float | Decimal] = st.sampled_from(
    [0, 1, 2, 0.1, 0.5, 1.5, Decimal("0.1"), Decimal("-3.5")]
)


@st.composite
def counted(draw: st.DrawFn) -> Rule:
    name, of = draw(selected(*FILLED) | st.tuples(st.sampled_from(list(FILLED)), simple))
    match draw(st.sampled_from(["at_least", "range", "none", "product"])):
        case "at_least":
            return did(name, at_least=draw(st.integers(1, 3)), **of)
        case "range":
            low = draw(st.integers(0, 2))
            return did(name, at_least=low, at_most=low + draw(st.integers(0, 2)), **of)
        case "none":
            return did_not(name, **of)
    name, of = draw(selected(*ABOUT_PRODUCTS))
    return did(name, at_least=draw(st.integers(1, 2)), same_product=True, **of)


@st.composite
def quantified(draw: st.DrawFn) -> Rule:
    if draw(st.booleans()):
        measure: Literal["amount", "quantity"] = draw(st.sampled_from(["amount", "quantity"]))
        name, of = draw(selected("product_bought"))
        quantity, limit = sum_of(measure, activities(name, **of)), draw(mixed_number)
    else:
        value, lifetime = draw(st.sampled_from(TEXTS)), draw(st.booleans())
        by_department = share_of_spend(department=value, lifetime=lifetime)
        by_category = share_of_spend(category=value, lifetime=lifetime)
        quantity, limit = draw(st.sampled_from([by_department, by_category])), draw(fraction)
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


MEASURED = ["amount", "quantity"]
OF_LINES = ["product", "category", "department", "store", "order", "day", "week", "month"]


@st.composite
def values(draw: st.DrawFn) -> Quantity:  # noqa: C901 - one case per kind of value
    """A number of a person."""
    name, of = draw(selected("product_bought"))
    of.pop("not_followed_by", None)
    chosen, field = activities(name, **of), draw(st.sampled_from(MEASURED))
    match draw(
        st.sampled_from(["count", "sum", "avg", "min", "max", "distinct", "since", "share", "trait", "both", "times"])
    ):
        case "count":
            return count(chosen)
        case "sum":
            return sum_of(field, chosen)  # type: ignore[arg-type]
        case "avg":
            return avg_of(field, chosen)
        case "min":
            return min_of(field, chosen)
        case "max":
            return max_of(field, chosen)
        case "distinct":
            return distinct(draw(st.sampled_from(OF_LINES)), chosen)
        case "since":
            return days_since(draw(st.sampled_from([first, last]))("day", chosen))
        case "share":
            return share(chosen, activities("product_bought"), draw(st.sampled_from([None, "amount"])))
        case "trait":
            return Quantity(
                trait(draw(st.sampled_from(["orders_total", "spend_total", "markdown_share", "aov_365d"]))).value
            )
        case "both":
            return sum_of("amount", activities("order")) - count(chosen)
    return sum_of(field, chosen) * draw(st.sampled_from([2, 0.5, Decimal("0.1")]))  # type: ignore[arg-type]


@st.composite
def compared(draw: st.DrawFn) -> Rule:
    """A comparison of two values, or of one with a number; or of what was picked among activities."""
    match draw(st.sampled_from(["values", "number", "text", "day"])):
        case "values":
            return _operated(draw, draw(values()), draw(values()))
        case "number":
            return _operated(draw, draw(values()), draw(mixed_number))
        case "text":
            chosen = activities("product_bought", within=draw(st.sampled_from([days(7), days(31)])))
            field = draw(st.sampled_from(["category", "product", "store"]))
            picked = [first(field, chosen), last(field, chosen), nth(2, field, chosen), most_frequent(field, chosen)]
            return draw(st.sampled_from(picked)) == draw(st.sampled_from(["a", "s1", *TEXTS]))
    chosen = activities(draw(st.sampled_from(list(FILLED))))
    picked = [first("day", chosen), last("day", chosen), nth(2, "day", chosen), Quantity(trait("last_order_on").value)]
    other = draw(st.sampled_from([ago(days(0)), ago(days(6)), ago(days(365)), date(2016, 2, 29)]))
    return _operated(draw, draw(st.sampled_from(picked)), other)


def _operated(draw: st.DrawFn, left: Any, right: Any) -> Rule:
    operators = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
    rule: Rule = draw(st.sampled_from(operators))(left, right)
    return rule


def is_meant(rule: Rule) -> bool:
    """Whether what was drawn is refused by no one's meaning: somebody can meet it, and somebody fail."""
    return validate([segment("s", rule)]) == []


trait_rules = st.sampled_from(
    [
        _ordered("orders_total", mixed_number),
        _ordered("age", mixed_number),
        _ordered("spend_total", money | mixed_number),
        _ordered("markdown_share", fraction),
        _ordered("aov_365d", st.sampled_from([0, 0.4, 1.6, Decimal("0.4"), 4])),
        _ordered("late_night_share", fraction),
        _ordered("last_order_on", st.sampled_from(LAST_ORDERS)),
        _compared("lifecycle_stage", st.sampled_from(STAGES)),
        _compared("city", st.sampled_from(TEXTS)),
        _compared("email_reachable", st.booleans()),
        st.sampled_from(TEXTS).map(lambda v: trait("interests").contains(v)),
        st.sampled_from([trait("city").starts("it's"), trait("city").ends("ES"), trait("city").has("LÄU")]),
        st.sampled_from([trait("interests").contains_none(TEXTS[0]), trait("interests").contains_all(*TEXTS[1:3])]),
    ]
).flatmap(lambda family: family.filter(is_meant))
places = st.sampled_from(
    [
        st.builds(near, lat, lon, st.sampled_from([1.0, 100.0, 10_000.0])),
        st.just(inside((38.0, -90.0), (41.0, -90.0), (41.0, -80.0), (38.0, -80.0))),
        st.just(inside((-40.0, -100.0), (39.5, 0.0), (41.0, 20.0))),
        st.sampled_from([1, 2, 60, 364]).map(lambda n: birthday_within(days(n))),
        st.sampled_from([1, 30, 364]).map(lambda n: birthday_past(days(n))),
        st.just(birthday_this_month()),
        st.sampled_from([1, 60]).map(lambda n: anniversary_within("last_order_on", days(n))),
        st.builds(top_n, st.sampled_from(["orders_total", "spend_total", "last_order_on"]), st.integers(1, 3)),
    ]
).flatmap(lambda family: family)
late = st.sampled_from(
    [
        st.builds(was_member, st.just("s1"), ago=st.sampled_from([days(1), days(2)])),
        st.builds(member_for, st.just("s2"), st.sampled_from([days(1), days(2)])),
        st.builds(entered, st.just("s1"), within=st.sampled_from([days(1), days(3)])),
        st.builds(left, st.just("s2"), within=st.sampled_from([days(1), days(3)])),
        st.just(never_member("s1")),
        st.builds(random_share, st.sampled_from([0.3, 0.5]), st.sampled_from(["a", "b"])),
        st.builds(top, st.sampled_from(["orders_total", "spend_total", "last_order_on"]), share=st.sampled_from([0.1, 0.5, 0.9]), per=st.sampled_from([None, "city", "age"])),
        st.builds(top, st.just("orders_total"), n=st.integers(1, 2), among=counted().filter(is_meant)),
        st.builds(top, st.just("spend_total"), n=st.integers(1, 2), per=st.just("lifecycle_stage"), among=st.just("s3")),
    ]
).flatmap(lambda family: family)  # fmt: skip
steps = st.tuples(st.sampled_from(list(FILLED)), simple).map(lambda step: activities(step[0], **step[1]))
sequences = st.tuples(st.lists(steps, min_size=2, max_size=3), st.sampled_from([1, 2, 7, 40])).map(
    lambda drawn: sequence(*drawn[0], within=days(drawn[1]))
)
of_products = st.sampled_from([activities(name, within=days(n)) for name in ABOUT_PRODUCTS for n in (7, 31)])
sequences |= st.builds(
    lambda one, other, n: sequence(one, other, within=days(n), same_product=True),
    of_products,
    of_products,
    st.sampled_from([1, 7, 40]),
)
sequences |= st.builds(
    lambda one, other, n: not_then(one, other, within=days(n)), steps, steps, st.sampled_from([1, 7])
)
# One rule of every family in every example: left to chance, whole families are hardly ever met.
one_of_each = st.tuples(
    counted(), counted(), counted(), counted(), compared().filter(is_meant), compared().filter(is_meant), quantified().filter(is_meant), quantified().filter(is_meant), trait_rules, trait_rules, places, sequences, sequences, late, late
)  # fmt: skip


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    rules: list[Rule] = list(draw(one_of_each))
    for kind in (all_of, any_of, none_of):
        rules.append(kind(*draw(st.lists(st.sampled_from(rules), min_size=1, max_size=3))))
    return rules


@pytest.fixture(scope="module")
def engine_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    path: Path = tmp_path_factory.mktemp("property")
    return Lake(str(path / "lake"), DuckDBEngine(memory="500MB", threads=1, spill=path / "spill"))


def same_members(lake: Lake, world: World, wheres: list[Rule]) -> None:
    segments = [segment(f"s{number}", where) for number, where in enumerate(wheres)]
    segments.append(segment("outside", none_of(member_of("s0"), member_of("s10"))))
    # What is combined may contradict itself, which is refused; it has to mean the same to both all the same.
    assert validate([one for one in segments if not children(one.where)]) == []
    assert compiled_members(lake, segments, world) == members(segments, world)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(world=worlds(), wheres=rule_lists())
def test_compiler_and_evaluator_name_the_same_members(engine_lake: Lake, world: World, wheres: list[Rule]) -> None:
    same_members(engine_lake, world, wheres)
