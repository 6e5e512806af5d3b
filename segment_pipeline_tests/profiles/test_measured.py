"""Core traits that are quantities: what a plain reading of the activities says their literals are, and no circle."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.algebra.parts import TraitValue, Value
from segment_pipeline.algebra.quantities import count, days_since, last
from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.facts.activities import SPEND_APART, define_activities
from segment_pipeline.profiles.traits.measured import quantities, resolved
from segment_pipeline.segments.evaluate import World, value_of
from segment_pipeline.segments.rules import activities
from segment_pipeline_tests.profiles.literal_rows import customer, jan, line, order, product, refund
from segment_pipeline_tests.profiles.snapshots import Put, rows
from segment_pipeline_tests.profiles.trait_rows import DAY, traits

MEASURED = [trait.name for trait in CORE.traits if trait.quantity is not None]


@pytest.mark.also_on_spark(
    "profiles/facts/activities_exchanges", "profiles/facts/activities_loose", "profiles/facts/returned_lines"
)
def test_they_are_what_a_plain_reading_of_the_activities_says(lake: Lake, put: Put) -> None:
    night, noon = datetime(2017, 1, 8, 23, 30), datetime(2017, 1, 9, 12)
    put("customers", [customer("shop", key) for key in ("A", "B", "C", "D")])
    put("products", [product("shop", "P1", jan(1), department="Shoes", skus=["P1"])])
    put(
        "orders",
        [
            order("shop", "O1", jan(8), "10", customer_key="A", local_at=night),
            order("shop", "O2", jan(9), "20", customer_key="A", local_at=noon),
            order("shop", "O3", jan(2), "30", customer_key="A", net_base=None, currency="XTS"),
            order("shop", "free", DAY, "0", customer_key="A"),
            order("shop", "O4", DAY, "7", customer_key="B", net_base=None, currency="XTS"),
            order("shop", "O5", jan(3), "40", customer_key="B"),
            order("shop", "back", DAY, "-5", customer_key="B", kind="return"),
            order("shop", "O6", jan(4), "50", customer_key="C"),
            order("shop", "swap", DAY, "12", customer_key="C", kind="exchange", parent_order_key="O6"),
        ],
    )
    put(
        "order_lines",
        [
            line("shop", "O6", "1", jan(4), "50", product_key="P1"),
            line("shop", "swap", "1", DAY, "30", product_key="P1"),
            line("shop", "swap", "return:1", DAY, "-18", product_key="P1", parent_order_key="O6"),
        ],
    )
    put("refunds", [refund("shop", "R1", "O1", DAY, "10")])
    told = traits(lake)
    with lake.session() as session:
        define_activities(session, AsOf(DAY, "UTC"), names=["order", SPEND_APART])
        done = session.rows("SELECT * FROM activities")
    assert {row["name"] for row in done} == {"order", SPEND_APART}
    keys = {r["record_key"]: r["profile_id"] for r in rows(lake, "identities") if r["entity"] == "customer"}
    world = World(DAY, [], activities=done)
    for key, of in told.items():
        person = {"profile_id": keys[key]}
        said: dict[str, Any] = {name: value_of(quantities()[name][0], world, person) for name in MEASURED}
        got = {name: of[name] for name in MEASURED}
        assert {name: _number(value) for name, value in said.items()} == {n: _number(v) for n, v in got.items()}, key
    assert told["A"]["spend_total"] == Decimal(20)
    assert (told["A"]["orders_total"], told["A"]["orders_kept"], told["A"]["late_night_share"]) == (4, 2, 0.5)
    assert told["B"]["spend_90d"] == Decimal(-5)
    assert told["C"]["orders_total"] == 1


def _number(value: Any) -> Any:
    return round(float(value), 4) if isinstance(value, Decimal | float | int) or hasattr(value, "numerator") else value


def test_a_trait_that_is_made_of_itself_is_refused() -> None:
    """What reads others is made of what they are; a way back to where it began is no value."""
    known: dict[str, Value] = {
        "orders": count(activities("order")).value,  # type: ignore[dict-item]
        "since": days_since(last("day", activities("order"))).value,  # type: ignore[dict-item]
        "one": TraitValue("other"),
        "other": TraitValue("one"),
    }
    assert resolved(TraitValue("orders"), known, ()) == known["orders"]
    assert resolved(TraitValue("somebody_elses"), known, ()) == TraitValue("somebody_elses")
    with pytest.raises(ConfigError, match="traits read each other in a circle \\(one -> other -> one\\): take one out"):
        resolved(known["one"], known, ("one",))
