"""Which version of a record counts as of a day: it is chosen first, and asked afterwards whether it is of that day at all."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.facts import versions
from segment_pipeline.profiles.traits.compute import build_traits
from segment_pipeline_tests.profiles.literal_rows import JAN_1, at, customer, jan, line, order, product
from segment_pipeline_tests.profiles.snapshots import Put, build, rows


def orders(lake: Lake, as_of: date) -> list[dict[str, Any]]:
    with lake.session() as session:
        versions.define_order_versions(session)
        session.define("nameless_keys", "SELECT customer_no FROM order_versions WHERE FALSE")
        versions.define_orders_as_of(session, AsOf(as_of, "UTC"))
        return session.rows("SELECT * FROM orders_as_of ORDER BY order_key, updated_at")


def keys(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["order_key"], row["net_base"], row["ordered_on"].day) for row in rows]


def test_an_order_that_its_newest_version_moves_after_the_day_is_not_of_the_day(lake: Lake, put: Put) -> None:
    first = order("shopify", "O", jan(5), "10")
    moved = order("shopify", "O", jan(25), "10", updated=jan(10))
    put("orders", [first, moved, order("shopify", "P", jan(5), "7")])
    assert keys(orders(lake, jan(9))) == [("O", 10, 5), ("P", 7, 5)]
    assert keys(orders(lake, jan(10))) == [("P", 7, 5)]
    assert keys(orders(lake, jan(25))) == [("O", 10, 25), ("P", 7, 5)]


def test_an_order_moved_back_to_an_earlier_day_is_of_that_day(lake: Lake, put: Put) -> None:
    put(
        "orders",
        [order("shopify", "O", jan(20), "10", updated=jan(3)), order("shopify", "O", jan(2), "10", updated=jan(6))],
    )
    assert keys(orders(lake, jan(5))) == []
    assert keys(orders(lake, jan(6))) == [("O", 10, 2)]


def test_an_order_known_from_later_versions_alone_is_what_the_earliest_of_them_says(lake: Lake, put: Put) -> None:
    put(
        "orders",
        [order("shopify", "O", jan(2), "1", updated=jan(20)), order("shopify", "O", jan(2), "2", updated=jan(25))],
    )
    [row] = orders(lake, jan(10))
    assert (row["net_base"], row["back_projected"]) == (1, True)


def test_a_cart_begun_later_by_its_newest_version_is_not_of_the_day(lake: Lake, put: Put) -> None:
    def cart(created: date, updated: date) -> dict[str, Any]:
        return {
            "source": "shopify", "cart_key": "K", "updated_at": at(updated), "created_at": at(created), "value": 1,
            "currency": "USD", "product_keys": [], "lines": "[]", "day": updated,
        }  # fmt: skip

    put("carts", [cart(jan(2), jan(2)), cart(jan(20), jan(5))])
    found = []
    for day in (jan(4), jan(5), jan(20)):
        with lake.session() as session:
            session.scan("identities", alias="identities_as_of")
            versions.define_carts(session, AsOf(day, "UTC"))
            found.append([row["created_at"] for row in session.rows("SELECT created_at FROM carts_as_of")])
    assert found == [[at(jan(2))], [], [at(jan(20))]]


def test_an_account_created_later_by_its_newest_version_is_not_of_the_day(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", jan(2)), customer("square", "A", jan(20), updated=jan(5))])
    found = []
    for day in (jan(4), jan(5), jan(20)):
        with lake.session() as session:
            versions.define_account_versions(session, AsOf(day, "UTC"))
            found.append([row["created_at"] for row in session.rows("SELECT created_at FROM account_versions")])
    assert found == [[at(jan(2))], [], [at(jan(20))]]


def test_what_is_gone_at_the_source_is_gone_from_no_order(lake: Lake, put: Put) -> None:
    """A customer is deleted, a store closed: newer versions of their orders name neither."""
    known = order("shopify", "O", JAN_1, "10", customer_key="C", store_key="S", parent_order_key="P")
    corrected = order("shopify", "O", JAN_1, "10", customer_key="D", store_key="T", updated=jan(3))
    forgot = order("shopify", "O", JAN_1, "10", updated=jan(5))
    put("orders", [known, corrected, forgot])
    for day, held in ((2, ("C", "S", "P")), (4, ("D", "T", "P")), (6, ("D", "T", "P"))):
        [row] = orders(lake, JAN_1 + timedelta(days=day - 1))
        assert (row["customer_key"], row["store_key"], row["parent_order_key"]) == held
        assert row["net_base"] == 10


def test_what_was_known_later_alone_is_not_known_before(lake: Lake, put: Put) -> None:
    """A guest who made an account afterwards was a guest."""
    put("orders", [order("shopify", "O"), order("shopify", "O", updated=jan(9), customer_key="C")])
    assert [orders(lake, day)[0]["customer_key"] for day in (jan(5), jan(9))] == [None, "C"]


def shares(lake: Lake, as_of: date) -> dict[str, Decimal]:
    build(lake, as_of)
    build_traits(lake, AsOf(as_of, "UTC"))
    return {row["value"]: row["spend_total"] for row in rows(lake, "trait_shares") if row["as_of"] == as_of}


@pytest.mark.also_on_spark("profiles/facts/known_lines")
def test_a_product_deleted_at_the_shop_is_forgotten_by_no_order(lake: Lake, put: Put) -> None:
    """The product is deleted, and then the order gets a tag: its newest version names no product. Another line never named one."""
    put("customers", [customer("shopify", "A")])
    put("products", [product("shopify", "P", department="Shoes"), product("shopify", "Q", department="Hats")])
    put("orders", [order("shopify", "O", jan(2), "30", customer_key="A", updated=jan(day)) for day in (2, 4, 6)])
    named = [("P", "P", None), ("Q", "P", None), (None, None, None)]
    lines = [
        line("shopify", "O", str(number), jan(2), "10", updated=jan(day), product_key=key)
        for number, keys in enumerate(named)
        for day, key in zip((2, 4, 6), keys, strict=True)
    ]
    put("order_lines", lines)
    assert shares(lake, jan(3)) == {"Shoes": 10, "Hats": 10}
    assert shares(lake, jan(5)) == {"Shoes": 20}
    assert shares(lake, jan(7)) == {"Shoes": 20}
