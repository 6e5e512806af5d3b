"""Random rules over the people of `random_worlds`, one of every family, as strategies of hypothesis."""

import operator
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st

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
    email_domain,
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
    total_of,
    trait,
    was_member,
)
from segment_pipeline.segments.validation import validate
from segment_pipeline_tests.segments.conftest import segment
from segment_pipeline_tests.segments.random_worlds import DOMAINS, FRACTIONS, LAST_ORDERS, MONEY, STAGES, TEXTS

money, fraction = st.sampled_from(MONEY), st.sampled_from(FRACTIONS)
lat, lon = st.sampled_from([0.0, 39.1, 40.0, -33.9]), st.sampled_from([0.0, -84.5, 10.25])


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
        st.sampled_from(
            ["count", "sum", "total", "avg", "min", "max", "distinct", "since", "share", "trait", "both", "times"]
        )
    ):
        case "count":
            return count(chosen)
        case "sum":
            return sum_of(field, chosen)
        case "total":
            return total_of(field, chosen)
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
    return sum_of(field, chosen) * draw(st.sampled_from([2, 0.5, Decimal("0.1")]))


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
        st.lists(st.sampled_from([*DOMAINS, "gmail.com"]), min_size=1, max_size=2).map(
            lambda them: email_domain(*them)
        ),
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
