"""What the tests of money ask of each person: segments of a few rules, orders and spend, goods kept by department."""

from collections.abc import Callable

from segment_pipeline.segments.rules import Rule, activities, did, did_not, share_of_spend, sum_of, trait
from segment_pipeline_tests.money.company import Person

RULES: dict[str, Rule] = {
    "ordered": did("order"),
    "bought": did("product_bought"),
    "bought_nothing": did_not("product_bought"),
    "owns_1": did("product_bought", product=("SKU1", "W-1")),
    "spent_more_than_0": sum_of("amount", activities("order")) > 0,
    "spent_300": sum_of("amount", activities("order")) >= 300,
    "newcomer": trait("lifecycle_stage") == "new",
    "all_shoes": share_of_spend(department="Shoes", lifetime=True) >= 1,
}


Told = Callable[..., dict[str, Person]]


def money(person: Person) -> tuple[int, str]:
    """Orders and spend; what segments sum up is the same."""
    spend = person.traits["spend_total"]
    assert ("spent_more_than_0" in person.segments) == (spend > 0)
    assert ("spent_300" in person.segments) == (spend >= 300)
    return person.traits["orders_total"], f"{spend:.2f}"


def shared(person: Person) -> dict[str, str]:
    """Net of goods kept by department."""
    return {value: f"{spend:.2f}" for (kind, value), spend in person.shares.items() if kind == "department"}
