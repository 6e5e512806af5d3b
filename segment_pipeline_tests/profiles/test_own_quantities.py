"""A company's own traits in the words of segments: computed together, beside queries and functions, and judged as rules are."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.traits.own import build_own_traits
from segment_pipeline.profiles.traits.sets import declare, forget
from segment_pipeline.segments.own_traits import quantities
from segment_pipeline.segments.rules import (
    Quantity,
    activities,
    avg_of,
    count,
    days,
    days_since,
    distinct,
    ended,
    first,
    last,
    max_of,
    most_frequent,
    share,
    sum_of,
    trait,
)
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.profiles.literal_rows import customer, event, jan, line, order, product
from segment_pipeline_tests.profiles.snapshots import Put, rows
from segment_pipeline_tests.profiles.trait_rows import DAY, traits as core_traits

AS_OF = AsOf(DAY, "UTC")
ORDERS, LINES = activities("order"), activities("product_bought")


@pytest.fixture(autouse=True)
def _no_tables_left() -> Iterator[None]:
    yield
    forget()


def of(name: str, kind: str, quantity: Any) -> Trait:
    return Trait.of(name, kind, "for tests", quantity=quantity, owner="team:crm")


@pytest.mark.also_on_spark("segments/values")
def test_quantities_are_computed_together_and_beside_queries(lake: Lake, put: Put) -> None:
    """Ann bought on the 3rd, 4th and 5th of January, of two departments; Bob only looked. DAY is the last of the year."""
    put("customers", [customer("shop", "A", email="ann@mail.io"), customer("shop", "B", email="bob@mail.io")])
    put(
        "products",
        [
            product("shop", key, jan(1), department=department, skus=[key])
            for key, department in (("P1", "Shoes"), ("P2", "Hats"))
        ],
    )
    put(
        "orders",
        [
            order("shop", f"O{n}", jan(n), f"{n}0", customer_key="A", store_key="S1" if n < 5 else "S2")
            for n in (3, 4, 5)
        ],
    )
    put(
        "order_lines",
        [line("shop", f"O{n}", "1", jan(n), f"{n}0", product_key="P1" if n < 5 else "P2") for n in (3, 4, 5)],
    )
    put("events", [event("1", "product_viewed", jan(5), source="shop", customer_key="B")])
    core_traits(lake)
    own = TraitSet(
        "crm",
        (
            of("orders_lately", "BIGINT", count(activities("order", within=days(361)))),
            of("orders_before", "INTEGER", count(activities("order", within=ended(days(30), ago=days(361))))),
            of("average", "MONEY", avg_of("amount", ORDERS)),
            of("spend", "MONEY", sum_of("amount", ORDERS)),
            of("largest", "MONEY", max_of("amount", ORDERS)),
            of("departments", "BIGINT", distinct("department", LINES)),
            of("usual_department", "VARCHAR", most_frequent("department", LINES)),
            of("last_store", "VARCHAR", last("store", ORDERS)),
            of("began_on", "DATE", first("day", ORDERS)),
            of("days_as_buyer", "BIGINT", days_since(first("day", ORDERS))),
            of("share_of_shoes", "DOUBLE", share(activities("product_bought", department="Shoes"), LINES)),
            of("views", "BIGINT", count(activities("product_viewed"))),
            of("doubled", "MONEY", trait("spend_total") * 2),
            Trait.sql("also", "BIGINT", "beside", query="orders_total + 1", null="never", owner="team:crm"),
        ),
    )  # fmt: skip
    declare(own)
    assert Catalogue(sources=(), destinations=(), segments=(), trait_sets=(own,)).problems() == []
    report = build_own_traits(lake, AS_OF, own, quantities=quantities(Vocabulary.of((own,), ())))
    keys = {r["profile_id"]: r["record_key"] for r in rows(lake, "identities") if r["entity"] == "customer"}
    found = {keys[r["profile_id"]]: {one.name: r[one.name] for one in own.traits} for r in rows(lake, "traits_crm")}
    assert found["A"] == {
        "orders_lately": 1, "orders_before": 2,
        "average": Decimal(40), "spend": Decimal(120), "largest": Decimal(50), "departments": 2, "usual_department": "Shoes",
        "last_store": "S2", "began_on": jan(3), "days_as_buyer": 362, "share_of_shoes": pytest.approx(2 / 3), "views": 0,
        "doubled": Decimal(240), "also": 4,
    }  # fmt: skip
    assert found["B"] == {
        "orders_lately": 0, "orders_before": 0, "average": None, "spend": Decimal(0), "largest": None, "departments": 0,
        "usual_department": None, "last_store": None, "began_on": None, "days_as_buyer": None, "share_of_shoes": None, "views": 1,
        "doubled": Decimal(0), "also": 1,
    }  # fmt: skip
    assert report.known["average"] == 1


@pytest.mark.parametrize(
    ("kind", "quantity", "said"),
    [
        ("BIGINT", count(activities("ordre")), "names event ordre, which no source delivers: did you mean order?"),
        ("BIGINT", sum_of("amount", ORDERS), "is BIGINT and its quantity MONEY: declare it as MONEY"),
        ("DATE", count(ORDERS), "is DATE and its quantity BIGINT: declare it as BIGINT"),
        ("MONEY", max_of("amuont", ORDERS), "takes max_of of amuont, which is no field of activities"),
        ("MONEY", max_of("amount", activities("visit")), "asks for amount of visit, which has none"),
        ("MONEY", Quantity(trait("large").value), "names trait large, which does not exist"),
        ("BIGINT", days_since(max_of("amount", ORDERS)), "asks for the days since a value that is MONEY: write a day"),
        ("BIGINT", count(activities("order", within=days(0))), "has a window of 0 days on order"),
        ("DOUBLE", count(of="order"), "writes count(of='order')"),  # type: ignore[arg-type]
    ],
)
def test_a_quantity_that_cannot_be_is_a_sentence_with_its_line(kind: str, quantity: Any, said: str) -> None:
    own = TraitSet("crm", (of("mine", kind, quantity),))
    [problem] = Catalogue(sources=(), destinations=(), segments=(), trait_sets=(own,)).problems()
    assert problem.startswith(f"{__file__}:")
    assert f"trait mine {said}" in problem
