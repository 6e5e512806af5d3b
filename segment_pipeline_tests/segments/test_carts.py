"""Who left something in a cart, through the real engine: how old a cart is, and which purchases end it."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles import build
from segment_pipeline.segments.library import abandoned_cart
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import Rule, days, did
from segment_pipeline.settings import Settings
from segment_pipeline_tests.profiles.literal_rows import customer, event, jan, line, order, product
from segment_pipeline_tests.profiles.snapshots import Put
from segment_pipeline_tests.segments.conftest import segment

SETTINGS = Settings.from_env({})
TODAY = jan(20)


def cart(key: str, products: list[str], changed: date, *, begun: date | None = None, **columns: Any) -> dict[str, Any]:
    def noon(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    return {
        "source": "shopify", "cart_key": key, "customer_key": key, "updated_at": noon(changed), "created_at": noon(begun or changed),
        "value": Decimal(len(products)), "currency": "USD", "product_keys": products, "lines": "[]", "day": changed,
    } | columns  # fmt: skip


@pytest.fixture
def shop(lake: Lake, put: Put) -> Lake:
    """A shop whose running shoe has the SKUs of two sizes, which the till sells apart; ann, bob and eve are customers of both."""
    for who in ("ann", "bob", "eve"):
        mail = f"{who}.lee@mail.io"
        put("customers", [customer("shopify", who, email=mail), customer("square", f"till-{who}", email=mail)])
    put(
        "products",
        [
            product("shopify", "RUN", skus=["RUN-43", "RUN-42"]), product("shopify", "SOCK", skus=["SOCK-1"]), product("shopify", "BARE"),
            product("square", "V42", skus=["RUN-42"]), product("square", "V43", skus=["RUN-43"]), product("square", "VS", skus=["SOCK-1"]),
        ],
    )  # fmt: skip
    return lake


def bought(put: Put, who: str, product_key: str, on: date) -> None:
    key = f"{who}-{product_key}"
    put("orders", [order("square", key, on, customer_key=f"till-{who}")])
    put("order_lines", [line("square", key, "1", on, "10", product_key=product_key)])


def members(lake: Lake, where: Rule) -> set[str]:
    build.identities(lake, TODAY, SETTINGS)
    build.traits(lake, TODAY, SETTINGS)
    report = build_memberships(lake, TODAY, [segment("one", where)], SETTINGS)
    assert not report.failed, report.failed
    with lake.session() as session:
        session.scan("memberships")
        session.scan("identities")
        rows = session.rows(
            "SELECT record_key FROM memberships AS m JOIN identities AS i ON i.profile_id = m.profile_id"
            " WHERE i.source = 'shopify' AND i.entity = 'customer'"
        )
    return {row["record_key"] for row in rows}


@pytest.mark.also_on_spark("profiles/compiler/same_articles", "segments/last", "profiles/facts/products_as_of")
@pytest.mark.parametrize("size", ["V42", "V43"])
def test_any_size_bought_at_the_till_ends_the_cart_of_the_article(shop: Lake, put: Put, size: str) -> None:
    """An article's key was the first of its SKUs, and who bought another size was reminded (gumroad 6720)."""
    put("carts", [cart("ann", ["RUN"], jan(18)), cart("bob", ["RUN", "SOCK"], jan(18)), cart("eve", ["RUN"], jan(18))])
    bought(put, "ann", size, jan(19))
    bought(put, "bob", size, jan(19))
    bought(put, "eve", "VS", jan(19))
    assert members(shop, abandoned_cart(days(3))) == {"bob", "eve"}


@pytest.mark.also_on_spark("profiles/compiler/asked_items")
def test_any_size_counts_wherever_a_product_is_asked_for(shop: Lake, put: Put) -> None:
    put("events", [event("1", "product_viewed", jan(18), customer_key="ann", source="shopify", product_key="RUN")])
    put("events", [event("2", "product_viewed", jan(18), customer_key="eve", source="shopify", product_key="RUN")])
    bought(put, "ann", "V43", jan(10))
    bought(put, "bob", "V42", jan(10))
    assert members(shop, did("product_viewed", never="product_bought")) == {"eve"}
    assert members(shop, did("product_viewed", product="RUN-43")) == {"ann", "eve"}
    assert members(shop, did("product_bought", product="RUN-43")) == {"ann"}
    assert members(shop, did("product_bought", product=("RUN-42", "SOCK-1"))) == {"bob"}


@pytest.mark.also_on_spark("profiles/facts/cart_products")
def test_a_cart_is_as_old_as_the_last_change_of_its_content(shop: Lake, put: Put) -> None:
    """Begun ten days ago with an article added yesterday, a cart is of yesterday; a version that changes nothing makes it no younger."""
    put(
        "carts",
        [
            cart("ann", ["RUN"], jan(10)), cart("ann", ["RUN", "SOCK"], jan(19), begun=jan(10)),
            cart("bob", ["RUN"], jan(10)), cart("bob", ["RUN"], jan(19), begun=jan(10)),
            cart("eve", ["BARE"], jan(19), begun=jan(10)),
        ],
    )  # fmt: skip
    assert members(shop, abandoned_cart(days(3))) == {"ann", "eve"}
    assert members(shop, did("cart_abandoned", within=days(11))) == {"ann", "bob", "eve"}


def test_a_change_after_the_day_makes_a_cart_no_younger_on_it(shop: Lake, put: Put) -> None:
    put("carts", [cart("ann", ["RUN"], jan(21), begun=jan(10)), cart("bob", ["RUN"], jan(21), begun=jan(19))])
    put("carts", [cart("eve", ["RUN"], jan(12)), cart("eve", ["RUN", "SOCK"], jan(21), begun=jan(12))])
    assert members(shop, abandoned_cart(days(3))) == {"bob"}
    assert members(shop, did("cart_abandoned")) == {"ann", "bob", "eve"}


def named(*products: str | None, **columns: Any) -> list[dict[str, Any]]:
    """Lines of shoes, one per product; None: one whose product was deleted."""
    return [{"product_key": key, "sku": None, "quantity": 1, "title": "Shoe"} | columns for key in products]


def lined(key: str, lines: list[dict[str, Any]], changed: date, **columns: Any) -> dict[str, Any]:
    products = sorted({each["product_key"] for each in lines if each["product_key"]})
    return (
        cart(key, products, changed, begun=jan(10), lines=json.dumps(lines)) | {"value": Decimal(len(lines))} | columns
    )


@pytest.mark.also_on_spark(
    "profiles/facts/remembered_cart_products", "profiles/facts/known_carts", "profiles/facts/cart_products"
)
def test_a_product_deleted_at_the_shop_is_forgotten_by_no_cart(shop: Lake, put: Put) -> None:
    """Begun ten days ago, its shoe deleted yesterday: the cart is no younger and still of the shoe. One who took the socks out did change it."""
    shoe, sock = named("RUN", sku="RUN-43"), named("SOCK", title="Sock")
    put("carts", [lined("ann", shoe + sock, jan(10)), lined("ann", named(None, sku="RUN-43") + sock, jan(19))])
    put("carts", [lined("bob", shoe, jan(10)), lined("bob", named(None), jan(19))])
    put("carts", [lined("eve", shoe + sock, jan(10)), lined("eve", named(None), jan(19))])
    assert members(shop, abandoned_cart(days(3))) == {"eve"}
    assert members(shop, did("cart_abandoned", product="RUN-43")) == {"ann", "bob", "eve"}
    assert members(shop, did("cart_abandoned", product="SOCK-1")) == {"ann"}


def test_a_deleted_product_that_is_taken_out_is_in_the_cart_no_more(shop: Lake, put: Put) -> None:
    """A line of another title, or one that names another SKU, is of another product; one that never named any is of none."""
    shoe, sock = named("RUN", sku="RUN-43"), named("SOCK", title="Sock")
    put(
        "carts",
        [
            lined("ann", shoe + sock, jan(10)),
            lined("ann", named(None, sku="RUN-43") + sock, jan(12)),
            lined("ann", sock, jan(19)),
        ],
    )
    put("carts", [lined("bob", shoe + sock, jan(10)), lined("bob", named(None, title="Wish") + sock, jan(19))])
    put("carts", [lined("eve", shoe + sock, jan(10)), lined("eve", named(None, sku="OLD-1") + sock, jan(19))])
    assert members(shop, did("cart_abandoned", product="RUN-43")) == set()
    assert members(shop, abandoned_cart(days(3))) == {"ann", "bob", "eve"}
