"""What Square's records become, odd ones first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.rates import land_rates
from segment_pipeline.settings import Settings
from segment_pipeline.testing.source import JUNE
from segment_pipeline_tests.sandbox.source_world import Version, version
from segment_pipeline_tests.sources.conftest import Landed, Served, connector
from segment_pipeline_tests.sources.square_records import (
    category,
    customer,
    group,
    item,
    line,
    location,
    loyalty,
    money,
    order,
    variation,
)

STORE = location("L1")
LINKED = {"uid": "r", "source_order_id": "O1", "return_line_items": [line("7", 350, discount=50)]}
UNLINKED = {"uid": "r", "return_line_items": [line("1", 100, item_type="CUSTOM_AMOUNT", catalog_object_id=None)]}
GIFT_CARD = line("2", 5000, item_type="GIFT_CARD", catalog_object_id=None)
COUPONS = [
    {"uid": "a", "name": "Loyalty price"},
    {"uid": "b", "name": "COUPON 1000"},
    {"uid": "c", "name": "COUPON 1000"},
]
TENDERS = [{"id": "T1"}, {"id": "T2", "customer_id": "C7"}]
BECOME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # A return is an order of its own, negative, and named after the sale where it is linked to one.
    ({"line_items": None, "returns": [LINKED], "total_money": money(0)},
     {"kind": "return", "parent_order_key": "O1", "gross": "-4.0000", "discount": "-0.5000", "net": "-3.5000", "net_base": "-3.5000"}),
    ({"line_items": None, "returns": [UNLINKED]}, {"kind": "return", "parent_order_key": None, "net": "-1.0000"}),
    # Gift cards are balance and not revenue.
    ({"line_items": [line("1", 250), GIFT_CARD]}, {"net": "2.5000", "gift_card_sold": "50.0000", "lines": 1}),
    # Taxes and service charges are no revenue, whether prices include them or not: the line's total holds both in either case.
    ({"line_items": [line("1", 1190, total_tax_money=money(190), total_service_charge_money=money(100))]},
     {"gross": "9.0000", "net": "9.0000"}),
    # Minor units follow the currency; the newest rate before the order converts it.
    ({"total_money": money(250, "JPY")}, {"currency": "JPY", "net": "250.0000", "net_base": None, "rate_day": None}),
    ({"total_money": money(250, "KWD")}, {"currency": "KWD", "net": "0.2500", "net_base": None, "rate_day": None}),
    ({"total_money": money(250, "CAD")}, {"net": "2.5000", "net_base": "2.0000", "rate_day": date(2017, 6, 4)}),
    # The customer of a tender stands in for an order without one.
    ({"tenders": TENDERS}, {"customer_key": "C7"}),
    ({"tenders": TENDERS, "customer_id": "C1"}, {"customer_key": "C1"}),
    # An empty id is no id: two strangers whose orders say "" are not one customer.
    ({"customer_id": ""}, {"customer_key": None}),
    ({"customer_id": " ", "tenders": [{"id": "T1", "customer_id": ""}, {"id": "T2", "customer_id": "C7"}]}, {"customer_key": "C7"}),
    ({"customer_id": "\u00a0", "tenders": [{"id": "T1", "customer_id": "\u200b"}]}, {"customer_key": None}),
    ({}, {"customer_key": None, "kind": "sale", "gift_card_sold": "0.0000"}),
    # 04:30 UTC is 00:30 in New York, where the company's day has begun, and 23:30 at the store in Chicago.
    ({"updated": "2017-06-05T04:30:00"},
     {"local_at": datetime(2017, 6, 4, 23, 30), "ordered_on": date(2017, 6, 5), "day": date(2017, 6, 5)}),
    ({"discounts": COUPONS, "metadata": {"campaign_id": "18"}},
     {"status": "completed", "channel": "store", "store_key": "L1", "coupon_codes": ["1000"], "campaign_key": "18"}),
    ({"state": "CANCELED", "source": {"name": "Square Online"}},
     {"status": "cancelled", "channel": "web", "store_key": None, "coupon_codes": [], "campaign_key": None, "net": "2.5000"}),
    ({"state": "OPEN", "line_items": None}, {"status": "open", "store_key": "L1", "coupon_codes": [], "net": "0.0000", "gross": "0.0000"}),
]  # fmt: skip


def test_orders_become(landed: Landed, lake: Lake) -> None:
    held = {date(2017, 6, 1): {"CAD": "0.75"}, date(2017, 6, 4): {"CAD": "0.8"}, date(2017, 6, 6): {"CAD": "0.9"}}
    assert land_rates(lake, held, base="USD") == 3
    orders = [order(f"S{number:02d}", **told) for number, (told, _) in enumerate(BECOME)]
    lines = "SELECT count(*) FROM order_lines AS l WHERE l.order_key = o.order_key"
    rows = landed("orders", orders, f"SELECT *, ({lines}) AS lines FROM orders AS o ORDER BY order_key")
    texts = [{name: str(v) if isinstance(v, Decimal) else v for name, v in row.items()} for row in rows]
    found = [{name: row[name] for name in expected} for row, (_, expected) in zip(texts, BECOME, strict=True)]
    assert found == [expected for _, expected in BECOME]


def test_an_exchange_keeps_both_sides_although_their_lines_share_a_uid(landed: Landed) -> None:
    back = {"uid": "r", "source_order_id": "O1", "return_line_items": [line("1", 300)]}
    made = order("O2", line_items=[line("1", 500)], returns=[back])
    rows = landed(
        "orders",
        [made],
        "SELECT o.kind, o.net, l.line_number, l.net AS line FROM orders AS o, order_lines AS l ORDER BY l.line_number",
    )
    assert [(row["kind"], row["net"], row["line_number"], row["line"]) for row in rows] == [
        ("exchange", Decimal("2.0000"), "1", Decimal("5.0000")),
        ("exchange", Decimal("2.0000"), "return:1", Decimal("-3.0000")),
    ]


def test_more_stores_than_one_call_takes(landed: Landed) -> None:
    stores = [location(f"L{number}") for number in range(23)]
    orders = [order(f"O{n}", route=f"L{n}") for n in range(23)]
    assert landed("orders", stores + orders, "SELECT count(*) AS n FROM orders") == [{"n": 23}]


def test_customers_birthdays_consents_and_what_groups_declare(landed: Landed) -> None:
    groups = [group("G1", "Age: 45-54"), group("G2", "Household: 2 Adults No Kids"), group("G3", "Newsletter")]
    people = [
        customer("C1", birthday="0000-05-01", group_ids=["G1", "G2", "G3"], reference_id="HH1"),
        customer(
            "C2", birthday="1980-02-03", email_address=" Ada@Quiet.shop ",
            phone_number="(513) 555-0123", address={"country": "US", "postal_code": " 45202 "},
            preferences={"email_unsubscribed": True}, creation_source="INSTANT_PROFILE",
        ),
    ]  # fmt: skip
    rows = landed(
        "customers",
        groups + people,
        "SELECT c.customer_key, c.email, c.phone, c.postcode, c.birth_date, c.birth_day, c.contactable, c.attributes,"
        " n.identifier, n.status FROM customers AS c LEFT JOIN consents AS n ON n.identifier = c.email ORDER BY ALL",
    )
    assert [tuple(row.values()) for row in rows] == [
        (
            "C1", None, None, None, None, "05-01", True,
            '{"age_band":"45-54","household_type":"2 Adults No Kids","reference_id":"HH1"}', None, None,
        ),
        ("C2", "ada@quiet.shop", "+15135550123", "45202", date(1980, 2, 3), "02-03", False, None, "ada@quiet.shop", "denied"),
    ]  # fmt: skip


def test_a_number_without_a_prefix_was_dialled_where_the_seller_is(
    served: Served, lake: Lake, settings: Settings
) -> None:
    """The company is in Germany and its tills are in the United States; what a customer's address says beats both."""
    recipient = {"recipient": {"phone_number": "(415) 555-2671", "display_name": "Ann Lee"}}
    records = [
        customer("C1", phone_number="(415) 555-2671"),
        customer("C2", phone_number="020 7183 8750", address={"country": "GB"}),
        loyalty("A1", "C1", "415 555 2671"),
        order("O1", customer_id=None, fulfillments=[{"type": "SHIPMENT", "shipment_details": recipient}]),
    ]
    german, june = replace(settings, country="DE"), Window(date(2017, 6, 5), date(2017, 6, 5))
    with served(records) as server:
        for entity in ("customers", "loyalty", "orders"):
            ingest(lake, connector("square", server.base_url), entity, june, german, "run")
    query = "SELECT customer_key AS k, phone FROM customers UNION ALL SELECT order_key, phone FROM orders ORDER BY k"
    named = "SELECT first_name, last_name FROM orders"
    with lake.session() as session:
        session.scan("customers")
        session.scan("orders")
        rows = session.rows(query)
        assert session.rows(named) == [{"first_name": "Ann Lee", "last_name": None}]
    ours = "+14155552671"
    assert [row["phone"] for row in rows] == [ours, ours, "+442071838750", ours]


def test_stores_in_two_countries_say_nothing_of_a_customers_number(
    served: Served, lake: Lake, settings: Settings
) -> None:
    records = [location("L2", country="CA"), customer("C1", phone_number="020 7183 8750")]
    british, june = replace(settings, country="GB"), Window(date(2017, 6, 5), date(2017, 6, 5))
    with served(records) as server:
        ingest(lake, connector("square", server.base_url), "customers", june, british, "run")
    with lake.session() as session:
        session.scan("customers")
        assert session.value("SELECT phone FROM customers") == "+442071838750"


def test_a_customer_last_changed_before_all_history_comes_with_the_first_pull(landed: Landed) -> None:
    old = customer("C1", "2009-03-01T12:00:00")
    assert landed("customers", [old], "SELECT customer_key AS k, day FROM customers") == [
        {"k": "C1", "day": date(2009, 3, 1)}
    ]


def test_products_know_department_category_and_whether_they_are_gone(landed: Landed) -> None:
    world_of = [
        category("K1", "GROCERY", is_top_level=True),
        category("K2", "SOFT DRINKS", parent_category={"id": "K1"}, root_category="K1"),
        item("I1", "K2"),
        item("I2", "K1"),
        item("I3", "K2", is_deleted=True),
    ]
    rows = landed(
        "catalog",
        world_of,
        "SELECT product_key, department, category, brand, price, launched_on, skus, deleted_on FROM products ORDER BY 1",
    )
    known = ("National", Decimal("1.9900"), date(2017, 3, 4))
    assert [tuple(row.values()) for row in rows] == [
        ("VI1", "GROCERY", "SOFT DRINKS", *known, ["SKUI1"], None),
        ("VI2", "GROCERY", None, *known, ["SKUI2"], None),
        ("VI3", "GROCERY", "SOFT DRINKS", *known, ["SKUI3"], date(2017, 6, 5)),
    ]


JULY = Window(date(2017, 7, 1), date(2017, 7, 31))


def catalogue(served: Served, lake: Lake, settings: Settings, records: Sequence[Version]) -> dict[str, date | None]:
    """When each product ended, after June and July were landed one after the other."""
    with served(records) as server:
        source = connector("square", server.base_url)
        server.at("2017-07-01T00:00:00+00:00")
        ingest(lake, source, "catalog", JUNE, settings, "run")
        server.at("2018-01-01T00:00:00+00:00")
        report = ingest(lake, source, "catalog", JULY, settings, "run")
    assert report.quarantined == {}
    with lake.session() as session:
        session.scan("products")
        rows = session.rows("SELECT product_key, deleted_on FROM products ORDER BY updated_at")
    return {row["product_key"]: row["deleted_on"] for row in rows}


@pytest.mark.also_on_spark("sources/square/products")
def test_an_item_deleted_without_its_data_ends_with_all_its_variations(
    served: Served, lake: Lake, settings: Settings
) -> None:
    """What Square shows of a deleted object is its id and when it was deleted."""
    two = [variation("VA"), variation("VB")]
    gone = version("square", "catalog", "I1", None, updated="2017-07-05T12:00:00")
    kept = {"until": "2017-07-05T12:00:00"}
    records = [category("K1", "GROCERY"), item("I1", "K1", variations=two, visible=kept), gone, item("I2", "K1")]
    ended = date(2017, 7, 5)
    assert catalogue(served, lake, settings, records) == {"VA": ended, "VB": ended, "VI2": None}


def test_a_deleted_item_that_comes_as_it_was_ends_too(served: Served, lake: Lake, settings: Settings) -> None:
    gone = item("I1", "K1", "2017-07-05T12:00:00", is_deleted=True)
    assert catalogue(served, lake, settings, [item("I1", "K1"), gone]) == {"VI1": date(2017, 7, 5)}


def test_a_variation_its_item_has_no_more_ends(served: Served, lake: Lake, settings: Settings) -> None:
    records = [
        item("I1", "K1", variations=[variation("VA"), variation("VB")]),
        item("I1", "K1", "2017-07-05T12:00:00", variations=[variation("VB"), variation("VC")]),
    ]
    assert catalogue(served, lake, settings, records) == {"VA": date(2017, 7, 5), "VB": None, "VC": None}


@pytest.mark.parametrize("size", [0, 1, 21, 251])
def test_every_line_of_an_order_and_variation_of_an_item_lands(landed: Landed, size: int) -> None:
    made = order("O1", line_items=[line(str(n), 100) for n in range(size)] or None)
    count = "SELECT count(*) AS n FROM"
    assert landed("orders", [made, order("O2")], f"{count} order_lines WHERE order_key = 'O1'") == [{"n": size}]
    sold = item("I1", "K1", variations=[variation(f"V{n}") for n in range(size)])
    assert landed("catalog", [sold], f"{count} products") == [{"n": size}]


@pytest.mark.parametrize("size", [0, 1, 21, 251])
def test_every_customer_group_and_loyalty_account_lands(landed: Landed, size: int) -> None:
    """A person may be in any number of groups; each listing has a page of its own size."""
    groups = [group(f"G{n}", f"Age: {n}") for n in range(size)]
    people = [customer(f"C{n}", group_ids=[f"G{m}" for m in range(size)]) for n in range(size)]
    assert landed("customers", [*groups, *people], "SELECT count(attributes) AS n FROM customers") == [{"n": size}]
    members = [loyalty(f"L{n}", f"C{n}", f"+1513555{n:04d}") for n in range(size)]
    query = "SELECT count(*) AS n FROM customers WHERE entity = 'loyalty'"
    assert landed("loyalty", members, query) == [{"n": size}]


def test_a_one_day_window_pulls_three_days_more(served: Served, lake: Lake, settings: Settings) -> None:
    """Tills that were offline deliver up to 72 hours late."""
    with served([order("O1", "2017-06-02T12:00:00", visible={"seen": "2017-06-05T10:00:00"})]) as server:
        source = connector("square", server.base_url)
        ingest(lake, source, "orders", Window.of(date(2017, 6, 5)), settings, "run")
    assert [entry["day"] for entry in lake.partitions("orders")] == [date(2017, 6, 2)]


@pytest.mark.parametrize(
    ("entity", "permission"),
    [
        ("locations", "MERCHANT_PROFILE_READ"), ("customers", "CUSTOMERS_READ"), ("loyalty", "LOYALTY_READ"),
        ("catalog", "ITEMS_READ"), ("orders", "ORDERS_READ"),
    ],
)  # fmt: skip
def test_a_pull_names_the_permission_its_token_lacks(
    served: Served, lake: Lake, settings: Settings, entity: str, permission: str
) -> None:
    others = ["MERCHANT_PROFILE_READ", "CUSTOMERS_READ", "LOYALTY_READ", "ITEMS_READ", "ORDERS_READ"]
    with served([STORE]) as server:
        server.set(permissions=[each for each in others if each != permission])
        with pytest.raises(ConfigError, match=f"source square: its access token lacks the permission {permission}"):
            ingest(lake, connector("square", server.base_url), entity, JUNE, settings, "run")
