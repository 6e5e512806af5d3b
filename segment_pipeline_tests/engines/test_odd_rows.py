"""People, traits and segments of rows at the edge of what sources send, on both engines: equal, whatever they are."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles import build
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.settings import Settings
from segment_pipeline.starter.company import STARTER
from segment_pipeline_tests.engines.both import BothEngines
from segment_pipeline_tests.profiles.literal_rows import (
    Row,
    consent,
    customer,
    event,
    line,
    loyalty,
    message,
    order,
    product,
    refund,
)

NEW_YORK = "America/New_York"
LEAP_DAY = date(2016, 2, 29)
SPRING = date(2017, 3, 12)  # 23 hours in New York
AUTUMN = date(2017, 11, 5)  # 25 hours

FACTS: dict[str, list[Row]] = {
    "customers": [
        customer("square", "nobody"),
        customer("square", "leap", date(2016, 1, 1), email="leap@x.test", birth_date=LEAP_DAY, first_name="🙂", last_name="ß ΑΣ."),
        customer("square", "leap", date(2016, 1, 1), updated=date(2017, 1, 2), email="leap@x.test", gender="", country=""),
        customer("square", "tied", email="tied@x.test", first_name="İi", last_name="O'Neil\\", attributes='{"age_band": null, "occupation": 7}'),
        customer("shopify", "tied", email="tied@x.test", first_name="İi", last_name="O'Neil\\", attributes='{"children": {"n": 1}}'),
        customer("shopify", "later", date(2017, 11, 30), email="tied@x.test", birth_date=date(1899, 12, 31)),
        customer("shopify", "gone", email="gone@x.test", deleted_on=SPRING),
        customer("shopify", "phone", phone="+12025550123"),
        customer("shopify", "phone2", phone="+12025550123", birth_date=date(2000, 2, 28)),
        loyalty("square", "card", "leap", loyalty_balance=0),
    ],
    "products": [
        product("square", "p", department="Shoes", category="Running Shoes", collection="Spring", launched_on=LEAP_DAY),
        product("square", "q", department="", category=None),
        product("square", "p", date(2017, 11, 1), department="Shoes & 🙂", category="Running Shoes", collection="Autumn", launched_on=AUTUMN),
    ],
    "orders": [
        order("square", "free", LEAP_DAY, "0", customer_key="leap"),
        order("square", "o1", SPRING, "10.0001", customer_key="leap", local_at=datetime(2017, 3, 12, 1, 59, 59)),
        order("square", "o2", AUTUMN, "10.0001", customer_key="tied", local_at=datetime(2017, 11, 5, 1, 30), net_base=None, currency="XYZ"),
        order("square", "o3", AUTUMN, "3.3333", customer_key="leap", email="TIED@x.test"),
        order("square", "r1", AUTUMN, "-99.9999", customer_key="leap", kind="return"),
        order("square", "c1", AUTUMN, "5", customer_key="leap", status="cancelled"),
        order("shopify", "guest", SPRING, "7", email="guest@x.test", channel="web", campaign_key="none"),
        order("shopify", "anon", SPRING, "7", anonymous_id="device-1", channel="app"),
        order("shopify", "void", SPRING, "1"),
        order("shopify", "twice", SPRING, "8", customer_key="tied"),
        order("shopify", "twice", SPRING, "9", updated=AUTUMN, customer_key="tied", status="open"),
    ],
    "order_lines": [
        line("square", "free", "1", LEAP_DAY, "0", product_key="p"),
        line("square", "o1", "1", SPRING, "10.0001", product_key="p", is_markdown=True),
        line("square", "o2", "1", AUTUMN, "10.0001", product_key="q", net_base=None),
        line("square", "o3", "1", AUTUMN, "3.3333", product_key="unknown"),
        line("square", "o3", "2", AUTUMN, "0", product_key=None, quantity=None),
        line("square", "r1", "1", AUTUMN, "-99.9999", product_key="p"),
        line("shopify", "twice", "1", SPRING, "8", product_key="p"),
        line("shopify", "twice", "1", SPRING, "9", updated=AUTUMN, product_key="p"),
    ],
    "refunds": [refund("square", "f1", "o1", AUTUMN, "99.99", line_number="1"), refund("shopify", "f2", None, AUTUMN, "1")],
    "events": [
        event("e1", "visit", SPRING, anonymous_id="device-1", occurred_at=datetime(2017, 3, 12, 6, 59, 59, tzinfo=UTC)),
        event("e2", "login", SPRING, anonymous_id="device-1", email="leap@x.test", customer_key=None),
        event("e3", "product_viewed", AUTUMN, anonymous_id="device-1", product_key="p", category="Running Shoes"),
        event("e4", "product_viewed", AUTUMN, anonymous_id="device-1", product_key="p", collection="Autumn", properties='{"subject": "🙂\\u0001"}'),
        event("e5", "visit", AUTUMN, anonymous_id="device-2", properties='{"subject": null, "score": "x"}'),
        event("e6", "content_viewed", AUTUMN, anonymous_id=None, email=None),
    ],
    "messages": [
        message("m1", "clicked", SPRING, "leap@x.test", campaign_key="c"),
        message("m2", "responded", SPRING, "leap@x.test", campaign_key="c"),
        message("m3", "responded", AUTUMN, "guest@x.test", campaign_key=""),
    ],
    "consents": [
        consent("email", "leap@x.test", "email", "granted", SPRING),
        consent("email", "leap@x.test", "email", "denied", SPRING),
        consent("phone", "+12025550123", "sms", "granted", datetime(2017, 11, 5, 5, 30, tzinfo=UTC)),
        consent("customer_key", "tied", "ads", "granted", AUTUMN),
    ],
}  # fmt: skip


@pytest.fixture
def lake(both_lake_interpreted: Lake) -> Lake:
    return both_lake_interpreted


@pytest.fixture
def settings() -> Settings:
    return replace(Settings.from_env({}), timezone=NEW_YORK)


def test_odd_rows_give_the_same_people_traits_and_members(
    lake: Lake, put: Callable[[str, list[Row]], None], settings: Settings
) -> None:
    for name, rows in FACTS.items():
        put(name, rows)
    # Whoever is known by then is known in autumn too, when both engines are asked who it is.
    assert isinstance(lake.engine, BothEngines)
    build.identities(Lake(lake.root, lake.engine.duckdb), LEAP_DAY, settings, STARTER.identity)
    build.traits(lake, LEAP_DAY, settings, identity_rules=STARTER.identity)
    build.identities(lake, AUTUMN, settings, STARTER.identity)
    build.traits(lake, AUTUMN, settings, identity_rules=STARTER.identity)
    assert not build_memberships(lake, AUTUMN, STARTER.segments, settings, vocabulary=STARTER.vocabulary).failed
    with lake.session() as session:
        session.scan("traits", partitions={"as_of": [AUTUMN]})
        spent = session.rows("SELECT spend_total FROM traits WHERE spend_total < 0")
    # 3.3333 + 7 of the device they logged in on - 99.9999 returned without naming an order; the refund of 99.99 takes off no more
    # than the 10.0001 of its order.
    assert spent == [{"spend_total": Decimal("-89.6666")}]


def test_a_lake_with_nothing_but_one_account_gives_the_same_nothing(
    lake: Lake, put: Callable[[str, list[Row]], None], settings: Settings
) -> None:
    put("customers", [customer("square", "only")])
    build.identities(lake, SPRING, settings, STARTER.identity)
    assert build.traits(lake, SPRING, settings, identity_rules=STARTER.identity).profiles == 1


def test_odd_ids_names_and_dates_give_the_same_people(
    lake: Lake, put: Callable[[str, list[Row]], None], settings: Settings
) -> None:
    ids = [
        "undefined",
        " NULL ",
        "0",
        "-1",
        "[object Object]",
        "",
        "\u00a0",
        "nancy",
        "00000000-0000-0000-0000-000000000000",
    ]
    names = [
        "Zoe\u0308",
        "ZO\u00cb",
        " o\u2019neil",
        "O'Neil",
        "Anne-Marie",
        "anne  marie",
        "\u0130i",
        "\u00df",
        "12",
        "- .",
        "",
    ]
    phone, landline = "+12025550123", "+12025550100"
    put(
        "customers",
        [
            *(
                customer("square", f"n{n}", email=f"n{n % 4}@x.test", first_name=name, last_name="Lee", phone=phone)
                for n, name in enumerate(names)
            ),
            *(customer("crm", f"c{n}", loyalty_id=key, email="card@x.test") for n, key in enumerate(ids)),
            *(loyalty("square", f"l{n}", key) for n, key in enumerate(ids)),
            customer("shopify", "0", email="zero@x.test", birth_date=date(1900, 1, 1)),
            customer("square", "eva", email="eva@x.test", first_name="Eva", phone=landline),
            customer("shopify", "tom", email="tom@x.test", first_name="Tom", phone=landline),
            customer("square", "slip", email="bob@x.test", first_name="Anna"),
            customer("square", "slip", updated=SPRING, email="anna@x.test", first_name="Anna"),
            customer("shopify", "bob", email="bob@x.test", first_name="Bob"),
        ],
    )
    put(
        "orders",
        [
            *(order("woo", f"w{n}", customer_key=key, email=f"w{n}@x.test") for n, key in enumerate(ids)),
            *(order("woo", f"g{n}", email="desk@x.test", first_name=name) for n, name in enumerate(names)),
            *(order("woo", f"p{n}", email="no@x.test", phone=f"+1202555020{n}") for n in range(9)),
        ],
    )
    put("events", [event(f"e{n}", "visit", anonymous_id=key or "d", customer_key=key) for n, key in enumerate(ids)])
    rules = replace(STARTER.identity, blocked_values={"customer_key": ("shopify:tom",), "loyalty_id": ("nancy",)})
    assert build.identities(lake, AUTUMN, settings, rules).profiles > 0
