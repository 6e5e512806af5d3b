"""Values at the edges of what engines hold: compared as they are written, and one person's cost nobody else theirs."""

from decimal import Decimal

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.definition import definition_hash
from segment_pipeline.segments.evaluate import World, members
from segment_pipeline.segments.rules import (
    Rule,
    activities,
    at_least,
    avg_of,
    count,
    days,
    did,
    sum_of,
    total_of,
    trait,
)
from segment_pipeline.segments.validation import validate
from segment_pipeline_tests.segments.conftest import DAY, compiled_members, compiled_values, segment
from segment_pipeline_tests.segments.test_examples import did as act, who

ORDERS, LINES = activities("order"), activities("product_bought")
# A person whose amounts are as large as a column takes, and one of every day.
PEOPLE = [
    who("ann", spend_total=Decimal("99999999999999.9999"), spend_90d=Decimal("5.54"), orders_total=2**31 - 1),
    who("bob", spend_total=Decimal("5.54"), spend_90d=Decimal("5.5"), orders_total=2),
]
ACTIVITIES = [
    *(act("ann", "order", days_ago, amount=Decimal("99999999999999.9999")) for days_ago in (1, 2)),
    act("bob", "order", 1, amount=Decimal("5.54")),
    act("ann", "product_bought", 1, item_key="x", quantity=Decimal("9999999999.12345678")),
    act("bob", "product_bought", 1, item_key="x", quantity=Decimal("0.00000001")),
]
WORLD = World(DAY, PEOPLE, activities=ACTIVITIES)
RULES = {
    "a product of a large sum": sum_of("amount", ORDERS) * 2 > 11,
    "a product of a large trait": trait("spend_total") * 2 > 11,
    "a sum of large traits": trait("spend_total") + trait("spend_90d") > 11,
    "a product of a large number": trait("orders_total") * 1_000_000_000 > 1_000_000_000,
    "all digits of a product": sum_of("quantity", LINES) * Decimal("0.0001") == Decimal("0.000000000001"),
    "large parts of a quotient": trait("spend_total") / trait("spend_90d") > 1,
    "a trait and a number of fewer digits": trait("spend_total") > 5.5,
    "an amount and a number of fewer digits": did("order", amount=at_least(5.54)),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_numbers_of_all_sizes_are_compared_exactly(lake: Lake, rule: Rule) -> None:
    meant = members([segment("one", rule)], WORLD)
    assert "bob" in meant["one"]
    assert compiled_members(lake, [segment("one", rule)], WORLD) == meant


def test_a_trait_too_large_for_its_type_is_unknown_and_costs_nobody_else_theirs(lake: Lake) -> None:
    asked = {"spent": (sum_of("amount", ORDERS).value, "MONEY")}
    found = compiled_values(lake, asked, WORLD)  # type: ignore[arg-type]
    assert {name: row["spent"] for name, row in found.items()} == {"ann": None, "bob": Decimal("5.54")}


def test_a_quotient_of_more_than_an_engine_multiplies_is_unknown_and_stops_nobody_else(lake: Lake) -> None:
    assert compiled_members(lake, [segment("one", avg_of("amount", ORDERS) > 5)], WORLD) == {"one": {"bob"}}


@pytest.mark.parametrize("text", ["ΟΔΟΣ", "İst"])
def test_text_in_capitals_has_itself(lake: Lake, text: str) -> None:
    """Letters whose lower case depends on their place, or is two letters."""
    asked = [segment(word, getattr(trait("city"), word)(text)) for word in ("starts", "ends", "has")]
    world = World(DAY, [who("ann", city=text)])
    assert compiled_members(lake, asked, world) == {one.name: {"ann"} for one in asked}


def test_a_number_of_activities_from_0_on_is_one_range(lake: Lake) -> None:
    rule = count(ORDERS).between(0, 1)
    assert rule == did("order", at_least=0, at_most=1)
    assert validate([segment("one", rule)]) == []
    assert compiled_members(lake, [segment("one", rule)], WORLD) == {"one": {"bob"}}


def test_a_total_is_unknown_where_nothing_of_it_is_known_and_0_where_there_is_nothing(lake: Lake) -> None:
    people = [who(name) for name in ("all", "some", "none", "nothing")]
    amounts = {"all": (3, 4), "some": (None, 5), "none": (None, None)}
    done = [
        act(name, "order", days_ago, amount=None if amount is None else Decimal(amount))
        for name, of in amounts.items()
        for days_ago, amount in enumerate(of)
    ] + [act("nothing", "spend without order", 1)]
    asked = [
        segment("total", total_of("amount", ORDERS) < 10),
        segment("late", total_of("amount", activities("order", within=days(1))) < 10),
        segment("sum", sum_of("amount", ORDERS) < 10),
        segment("reckoned", total_of("amount", ORDERS) + 1 > 0),
    ]
    world = World(DAY, people, activities=done)
    meant = members(asked, world)
    assert meant == {
        "total": {"all", "some"},
        "late": {"all", "nothing"},
        "sum": {"all", "some", "none", "nothing"},
        "reckoned": {"all", "some"},
    }
    assert compiled_members(lake, asked, world) == meant


def test_the_order_of_names_in_a_test_does_not_count() -> None:
    one = did("order", store=("a", "b"), weekday=("sat", "sun"))
    other = did("order", store=("b", "a"), weekday=("sun", "sat"))
    assert definition_hash(segment("one", one), {}) == definition_hash(segment("one", other), {})
