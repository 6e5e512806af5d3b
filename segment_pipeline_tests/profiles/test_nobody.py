"""Ids that name nobody: what programs write where there is none, and what a company lists."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline_tests.profiles.literal_rows import at, customer, event, jan, loyalty, message, order
from segment_pipeline_tests.profiles.snapshots import Put, build, events, people, rows, together
from segment_pipeline_tests.profiles.test_activities import activities
from segment_pipeline_tests.profiles.trait_rows import traits

NOBODY = ["undefined", "UNDEFINED", " null ", "None", "nan", "0", "-1", "anonymous", "Unknown", "n/a", "test", "guest",
          "[object Object]", "00000000-0000-0000-0000-000000000000", "", " ", "\u00a0",
          "(not set)", "#N/A", "{}", "undefined undefined", "guest user", "null\u200b", "{{user_id}}", "%USER_ID%"]  # fmt: skip
ANN: dict[str, Any] = {"email": "ann.lee@mail.io", "first_name": "Ann", "last_name": "Lee"}


@pytest.mark.parametrize("user_id", NOBODY)
def test_a_user_id_that_is_none_names_nobody(lake: Lake, put: Put, user_id: str) -> None:
    """PostHog 12008 and 876: an analytics user id "undefined" on six browsers, one of which belongs to a known person."""
    put("customers", [customer("shopify", "S1", **ANN)])
    put(
        "events",
        [
            *(event(f"a{n}", "visit", anonymous_id=f"browser {n}", customer_key=user_id) for n in range(6)),
            event("known", "login", anonymous_id="browser 0", customer_key="S1"),
        ],
    )
    build(lake)
    assert people(lake) == {
        together("customer:S1", "device:browser 0"),
        *(together(f"device:browser {n}") for n in range(1, 6)),
    }
    assert [row["rule"].split(":")[0] for row in events(lake, "blocked")] == ["customer_key"]


def test_what_is_done_under_such_an_id_is_the_addresss_or_the_browsers(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", date(2016, 1, 1), **ANN)])
    day = date(2017, 12, 30)
    put(
        "events",
        [
            event("1", "login", day, anonymous_id="browser", customer_key="S1"),
            event("2", "visit", day, anonymous_id="browser", customer_key="undefined"),
            event("3", "visit", day, anonymous_id="other", customer_key="undefined", email="ann.lee@mail.io"),
        ],
    )
    put("messages", [message("m1", "clicked", day, "ann.lee@mail.io", customer_key="undefined")])
    assert traits(lake)["S1"]["visits_7d"] == 2
    assert together("customer:S1", "device:browser", "device:other", "email", "email") in {
        frozenset(group) for group in people(lake, date(2017, 12, 31))
    }


@pytest.mark.parametrize("customer_id", ["0", "-1", "guest", "undefined"])
def test_an_order_whose_customer_is_nobody_is_a_guests(lake: Lake, put: Put, customer_id: str) -> None:
    """WooCommerce writes customer 0 into guests' orders; plugins and exports write other things."""
    put("customers", [customer("square", "T1", date(2016, 1, 1), **ANN)])
    put(
        "orders",
        [
            order("woo", "hers", date(2017, 12, 1), "10", customer_key=customer_id, email="ann.lee@mail.io"),
            order("woo", "his", date(2017, 12, 1), "20", customer_key=customer_id, email="tom@mail.io"),
            order("woo", "nobodys", date(2017, 12, 1), "40", customer_key=customer_id),
        ],
    )
    spent = traits(lake)["T1"]["spend_total"]
    assert spent == Decimal(10)
    assert people(lake, date(2017, 12, 31)) == {together("customer:T1", "order:hers"), together("order:his")}


@pytest.mark.parametrize("customer_id", ["0", "guest", "undefined"])
def test_a_cart_whose_customer_is_nobody_is_a_guests(lake: Lake, put: Put, customer_id: str) -> None:
    put("customers", [customer("square", "T1", **ANN)])
    mails = {"hers": "ann.lee@mail.io", "his": "tom@mail.io", "nobodys": None}
    left = {
        "source": "woo", "customer_key": customer_id, "updated_at": at(jan(2)), "created_at": at(jan(2)), "value": Decimal(1),
        "currency": "USD", "lines": "[]", "day": jan(2),
    }  # fmt: skip
    put("carts", [left | {"cart_key": key, "email": mail, "product_keys": [key]} for key, mail in mails.items()])
    found = activities(lake, names={"cart_abandoned"})
    assert people(lake, jan(31)) == {together("customer:T1", "cart:hers"), together("cart:his")}
    assert [row["product_key"] for row in found] == ["hers", "his"]
    assert len({row["profile_id"] for row in found}) == 2


def test_an_account_its_source_holds_is_somebody_by_whatever_key(lake: Lake, put: Put) -> None:
    """Exports of data frames count their customers from 0."""
    put("customers", [customer("shop", "0", **ANN), customer("shop", "1", email="tom@mail.io")])
    put("orders", [order("shop", "O1", customer_key="0"), order("else", "O2", customer_key="0")])
    build(lake)
    assert people(lake) == {together("customer:0"), together("customer:1")}


@pytest.mark.parametrize("card", ["n/a", "NONE", "0000000", "-1", "unknown"])
def test_a_loyalty_card_that_is_none_joins_and_parts_nobody(lake: Lake, put: Put, card: str) -> None:
    put(
        "customers",
        [
            customer("square", "T1", loyalty_id=card, email="ann.lee@mail.io"),
            customer("square", "T2", loyalty_id=card, email="tom@mail.io"),
            customer("shopify", "S1", loyalty_id="4711", email="ann.lee@mail.io"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:T1", "customer:S1"), together("customer:T2")}
    assert {row["loyalty_id"] for row in rows(lake, "profiles")} == {"4711", None}


def test_loyalty_accounts_of_an_owner_who_is_none_are_apart(lake: Lake, put: Put) -> None:
    put("customers", [loyalty("square", "L1", "undefined"), loyalty("square", "L2", "undefined")])
    build(lake)
    assert people(lake) == {together("loyalty:L1"), together("loyalty:L2")}


@pytest.mark.parametrize("device", ["undefined", "Unknown", "null", "00000000-0000-0000-0000-000000000000", ""])
def test_a_device_that_is_none_is_nobodys(lake: Lake, put: Put, device: str) -> None:
    """Browsers that forbid tracking send zeros, and old SDKs the word itself."""
    put("customers", [customer("shopify", "S1"), customer("shopify", "S2")])
    put(
        "events",
        [event("1", "login", anonymous_id=device, customer_key="S1"), event("2", "visit", anonymous_id=device)],
    )
    build(lake)
    assert people(lake) == {together("customer:S1"), together("customer:S2")}


LISTED: list[tuple[str, str]] = [
    ("email", " Desk@Shop.io"),
    ("phone", "+1 513 555 0100"),
    ("loyalty_id", "STAFF"),
    ("customer_key", "shopify:house"),
    ("customer_key", "house"),
    ("anonymous_id", "kiosk"),
]


@pytest.mark.parametrize(("kind", "value"), LISTED)
def test_a_value_the_company_lists_links_nobody_whatever_its_type(lake: Lake, put: Put, kind: str, value: str) -> None:
    shared: dict[str, dict[str, Any]] = {
        "email": {"email": "desk@shop.io"},
        "phone": {"phone": "+15135550100"},
        "loyalty_id": {"loyalty_id": "STAFF"},
    }
    put(
        "customers",
        [customer("square", "T1", **shared.get(kind, {})), customer("shopify", "S1", **shared.get(kind, {}))],
    )
    put("customers", [customer("shopify", "house"), customer("shopify", "S2")])
    put(
        "orders",
        [
            order("shopify", "O1", customer_key="house"),
            order("shopify", "O2", customer_key="house", email="o2@mail.io"),
        ],
    )
    put(
        "events",
        [
            event("1", "login", jan(2), anonymous_id="kiosk", customer_key="S2"),
            event("2", "login", jan(2), anonymous_id="browser", customer_key="house"),
        ],
    )
    build(lake)
    before = people(lake)
    build(lake, blocked_values={kind: (value,)})
    after = people(lake)
    assert before != after
    match kind:
        case "customer_key":
            assert after >= {together("order:O2"), together("device:browser"), together("customer:S2", "device:kiosk")}
            assert not any("customer:house" in group for group in after)
        case "anonymous_id":
            assert together("customer:S2") in after
        case _:
            assert {together("customer:T1"), together("customer:S1")} <= after


def test_a_type_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="e-mail, which is no type of identifier"):
        IdentityRules(blocked_values={"e-mail": ("desk@shop.io",)})
