"""What people did, as one view: literal facts in, literal activities out."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ContractError, SegmentPipelineError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.facts.activities import ACTIVITY_COLUMNS, define_activities
from segment_pipeline_tests.profiles.literal_rows import (
    Row,
    customer,
    event,
    jan,
    line,
    message,
    order,
    product,
    refund,
)
from segment_pipeline_tests.profiles.snapshots import KEY_SPACES, Put, build

DAY = jan(31)


def activities(lake: Lake, as_of: date = DAY, **options: Any) -> list[Row]:
    build(lake, as_of)
    with lake.session() as session:
        day = AsOf(as_of, options.pop("timezone", "UTC"))
        define_activities(session, day, **{"key_spaces": KEY_SPACES} | options)
        return session.rows("SELECT * FROM activities ORDER BY occurred_at, name, product_key, text")


def brief(found: list[Row], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in found]


def test_columns_are_the_declared_ones_in_name_and_type(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A")])
    build(lake)
    with lake.session() as session:
        define_activities(session, AsOf(DAY, "UTC"))
        held = session.connection.columns("SELECT * FROM activities", name="activities")
    types = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    assert {name: types.get(kind, kind) for name, kind in held} == {
        n: kind for n, (kind, _) in ACTIVITY_COLUMNS.items()
    }


def test_a_completed_sale_is_an_order_and_its_lines_products_bought(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A")])
    put(
        "products",
        [
            product(
                "square",
                "V1",
                jan(1),
                department="Shoes",
                category="Running",
                collection="Winter",
                brand="B",
                launched_on=jan(1),
                skus=["777", "123"],
            ),
            product("square", "V1", jan(20), department="Footwear", category="Running"),
        ],
    )
    put("campaigns", [{"source": "square", "campaign_key": "18", "name": "Loved Ones", "day": jan(1)}])
    put(
        "orders",
        [
            order("square", "O1", jan(5), "12", customer_key="A", campaign_key="18", local_at=datetime(2017, 1, 5, 7)),
            order("square", "O2", jan(5), "12", customer_key="A", status="cancelled"),
            order("square", "O3", jan(5), "-3", customer_key="A", kind="return"),
            order("square", "O4", jan(5), "12"),
        ],
    )
    put(
        "order_lines",
        [
            line("square", "O1", "1", jan(5), "12", product_key="V1", is_markdown=True),
            line("square", "O2", "1", jan(5), "12", product_key="V1"),
            line("square", "O3", "return:1", jan(5), "-3", product_key="V1"),
        ],
    )
    put("refunds", [refund("square", "R", "O1", jan(6), "3")])
    columns = (
        "name",
        "product_key",
        "item_key",
        "department",
        "category",
        "collection",
        "launched_on",
        "amount",
        "is_markdown",
        "campaign",
        "channel",
        "local_at",
    )
    local = datetime(2017, 1, 5, 7)
    names = {"order", "product_bought"}
    assert brief(activities(lake, jan(10), names=names), *columns) == [
        ("order", None, None, None, None, None, None, Decimal("9.0000"), None, "Loved Ones", "store", local),
        (
            "product_bought",
            "V1",
            "123|777",
            "Shoes",
            "Running",
            "Winter",
            jan(1),
            Decimal("9.0000"),
            True,
            "Loved Ones",
            "store",
            local,
        ),
    ]
    assert brief(activities(lake, jan(20), names=names), "department")[1] == ("Footwear",)


def test_the_till_and_the_shop_share_an_item_by_its_sku(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [customer("square", "T1", email="ann.lee@mail.io"), customer("shopify", "S1", email="ann.lee@mail.io")],
    )
    put(
        "products",
        [product("square", "V1", skus=["123"]), product("shopify", "700", skus=["123"]), product("shopify", "701")],
    )
    put("orders", [order("square", "O1", jan(3), customer_key="T1")])
    put("order_lines", [line("square", "O1", "1", jan(3), "5", product_key="V1")])
    put("carts", [cart("C1", ["700", "701"], customer_key="S1")])
    put(
        "events",
        [event("1", "product_viewed", jan(1), customer_key="S1", product_key="700", category="named by the event")],
    )
    found = activities(lake)
    assert len({row["profile_id"] for row in found}) == 1
    assert brief([row for row in found if row["name"] != "order"], "name", "item_key", "category") == [
        ("product_viewed", "123", "named by the event"),
        ("cart_abandoned", "123", None),
        ("cart_abandoned", "shopify:701", None),
        ("product_bought", "123", None),
    ]


def cart(key: str, products: list[str], **columns: Any) -> Row:
    made = datetime(2017, 1, 2, 12, tzinfo=UTC)
    return {
        "source": "shopify", "cart_key": key, "updated_at": made, "created_at": made, "value": Decimal(1), "currency": "USD",
        "product_keys": products, "lines": "[]", "day": jan(2),
    } | columns  # fmt: skip


def test_a_cart_is_abandoned_until_it_is_completed(lake: Lake, put: Put) -> None:
    put(
        "carts",
        [
            cart("C1", ["700", "700"], email="ann.lee@mail.io"),
            cart(
                "C1",
                ["700"],
                email="ann.lee@mail.io",
                updated_at=datetime(2017, 1, 9, tzinfo=UTC),
                completed_at=datetime(2017, 1, 9, tzinfo=UTC),
                day=jan(9),
            ),
        ],
    )
    assert brief(activities(lake, jan(8)), "name", "product_key") == [("cart_abandoned", "700")]
    assert activities(lake, jan(9)) == []


def test_subject_and_text_of_an_event_are_columns_and_of_one_landed_before_them_its_properties(
    lake: Lake, put: Put
) -> None:
    put("customers", [customer("shopify", "S1")])
    old = {"customer_key": "S1", "properties": '{"network": "insta", "action": "like"}'}
    put(
        "events",
        [
            event("1", "social_engaged", jan(1), **old),
            event("2", "social_engaged", jan(2), **old, subject="photos", text="share"),
            event("3", "Rage Click", jan(3), customer_key="S1", subject="button"),
        ],
    )
    assert brief(activities(lake), "name", "subject", "text") == [
        ("social_engaged", "insta", "like"),
        ("social_engaged", "photos", "share"),
        ("Rage Click", "button", None),
    ]


def test_events_answers_and_messages_are_their_persons(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", email="ann.lee@mail.io"), customer("shopify", "S2")])
    put("campaigns", [{"source": "amplitude", "campaign_key": "c1", "name": "News", "day": jan(1)}])
    put(
        "events",
        [
            event("1", "visit", jan(1), anonymous_id="d1", properties='{"landing_page": "/sale"}'),
            event("2", "search", jan(2), anonymous_id="d1", customer_key="S1", properties='{"query": "boots"}'),
            # Somebody else on the same device is who they say they are.
            event(
                "3",
                "social_engaged",
                jan(3),
                anonymous_id="d1",
                customer_key="S2",
                properties='{"network": "insta", "action": "like"}',
            ),
            event("4", "survey_answered", jan(4), anonymous_id="d1"),
            event("5", "visit", jan(5)),
        ],
    )
    put(
        "messages",
        [
            message("m1", "opened", jan(6), "ann.lee@mail.io", campaign_key="c1"),
            message("m2", "opened", jan(6), "noreply@x.io"),
        ],
    )
    put("survey_answers", [{
        "source": "amplitude", "answer_key": "a", "survey_key": "s", "question_key": "nps", "answer": "9", "score": 9.0, "email": "ann.lee@mail.io",
        "answered_at": datetime(2017, 1, 7, tzinfo=UTC), "answered_on": jan(7), "day": jan(7),
    }])  # fmt: skip
    found = activities(lake)
    assert brief(found, "name", "subject", "text", "campaign", "score") == [
        ("visit", None, "/sale", None, None),
        ("search", None, "boots", None, None),
        ("social_engaged", "insta", "like", None, None),
        ("message_opened", None, None, "News", None),
        ("survey_answered", "nps", "9", None, 9.0),
    ]
    ann, other = found[0]["profile_id"], found[2]["profile_id"]
    assert [row["profile_id"] for row in found] == [ann, ann, other, ann, ann]
    assert ann != other


@pytest.mark.parametrize(
    "names", [{"product_viewed"}, {"message_opened"}, {"survey_answered"}, {"visit", "message_opened"}]
)
def test_what_is_asked_for_alone_happened_as_often_as_among_all(lake: Lake, put: Put, names: set[str]) -> None:
    """An address that many events, messages or answers carry is one address, whatever else is read."""
    put("customers", [customer("shopify", "S1", email="ann.lee@mail.io")])
    ours = {"email": "ann.lee@mail.io"}
    put("events", [event(str(n), ("product_viewed", "visit")[n % 2], jan(3), **ours) for n in range(6)])
    put("messages", [message(str(n), "opened", jan(4), "ann.lee@mail.io") for n in range(4)])
    put(
        "survey_answers",
        [
            {
                "source": "amplitude", "answer_key": str(n), "survey_key": "s", "question_key": "nps", "answer": "9", "score": 9.0, **ours,
                "answered_at": datetime(2017, 1, 7, tzinfo=UTC), "answered_on": jan(7), "day": jan(7),
            }
            for n in range(3)
        ],
    )  # fmt: skip
    alone, among = (
        Counter(row["name"] for row in activities(lake, names=asked) if row["name"] in names) for asked in (names, None)
    )
    assert alone == among
    assert sum(alone.values()) >= 3


def test_since_and_as_of_bound_the_days_on_both_ends(lake: Lake, put: Put) -> None:
    put("events", [event(f"{n}", "visit", jan(n), anonymous_id="d") for n in range(1, 10)])
    assert brief(activities(lake, jan(7), since=jan(5)), "occurred_on") == [(jan(5),), (jan(6),), (jan(7),)]


def test_a_day_without_identities_is_refused(lake: Lake) -> None:
    with lake.session() as session, pytest.raises(ContractError, match="no identities as of 2017-01-31"):
        define_activities(session, AsOf(DAY, "UTC"))


@pytest.mark.also_on_spark("profiles/facts/order_numbers")
def test_orders_are_numbered_by_time_source_and_key_and_exchanges_are_not(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A"), customer("square", "B")])
    orders = [
        order("square", "O3", jan(2), customer_key="A"),
        order("square", "O2", jan(2), customer_key="A"),
        order("square", "O1", jan(9), customer_key="A"),
        order("square", "B1", jan(5), customer_key="B"),
        order("square", "X1", jan(4), customer_key="A", kind="exchange", parent_order_key="O2"),
        order("square", "T1", jan(1), customer_key="A", status="test"),
    ]
    put("orders", orders)
    put("order_lines", [line("square", o["order_key"], "1", o["ordered_on"], "10", product_key="V1") for o in orders])
    columns = ["name", "order_key", "order_number"]
    found = activities(lake, columns=[*columns, "occurred_at", "product_key", "text"], since=jan(4))
    assert {row["order_key"]: row["order_number"] for row in found if row["name"] == "order"} == {"B1": 1, "O1": 3}
    bought = {row["order_key"]: row["order_number"] for row in found if row["name"] == "product_bought"}
    assert bought == {"B1": 1, "O1": 3, "X1": None}


def test_no_order_is_numbered_where_nobody_asks(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A")])
    build(lake)
    with lake.session() as session:
        define_activities(session, AsOf(DAY, "UTC"), columns=["name", "occurred_at"])
        with pytest.raises(SegmentPipelineError, match="order_numbers"):
            session.rows("SELECT * FROM order_numbers")
