"""Whose record is whose: literal records in, groups of records out."""

from datetime import date
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import customer, event, jan, loyalty, message, order
from segment_pipeline_tests.profiles.snapshots import Put, build, events, people, rows, together


def test_one_address_is_one_person_and_one_letter_off_is_another(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "T1", email="ann.lee@mail.io"),
            customer("shopify", "S1", email="ann.lee@mail.io"),
            customer("shopify", "S2", email="anm.lee@mail.io"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:T1", "customer:S1"), together("customer:S2")}


def test_a_guest_order_is_its_addresses_or_phones_person(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "T1", email="ann.lee@mail.io", phone="+15135550001")])
    put(
        "orders",
        [
            order("shopify", "by mail", email="ann.lee@mail.io"),
            order("shopify", "by phone", email="typo@mail.io", phone="+15135550001"),
            order("shopify", "stranger", email="bob@mail.io"),
            order("shopify", "nothing"),
            order("shopify", "test", email="ann.lee@mail.io", status="test"),
        ],
    )
    report = build(lake)
    assert people(lake) == {
        together("customer:T1", "order:by mail", "order:by phone"),
        together("order:stranger"),
    }
    assert (report.records, report.unresolved, report.profiles) == (4, 0, 2)


def test_what_an_order_of_a_customer_says_links_the_customer(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [customer("square", "T1", phone="+15135550001"), customer("shopify", "S1", email="ann.lee@mail.io")],
    )
    put("orders", [order("shopify", "O1", customer_key="S1", phone="+15135550001")])
    build(lake)
    assert people(lake) == {together("customer:T1", "customer:S1")}


def test_a_family_on_one_phone_stays_apart_and_keeps_its_web_accounts(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "mother", email="ann.lee@mail.io", phone="+15135550001"),
            customer("square", "son", email="tom.lee@mail.io", phone="+15135550001"),
            customer("shopify", "web mother", email="ann.lee@mail.io", phone="+15135550001"),
            customer("shopify", "web son", email="tom.lee@mail.io"),
        ],
    )
    put("orders", [order("shopify", "whose?", phone="+15135550001")])
    report = build(lake)
    assert people(lake) == {
        together("customer:mother", "customer:web mother"),
        together("customer:son", "customer:web son"),
        together("order:whose?"),
    }
    assert (report.contradictory, report.refused) == (1, 1)
    assert [row["rule"] for row in events(lake, "refused")] == ["phone:two_customers_of_shopify"]


def test_the_name_decides_which_of_a_family_an_account_with_the_shared_phone_is(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "mother", phone="+15135550001", first_name="Ann", last_name="Lee"),
            customer("square", "son", phone="+15135550001", first_name="Tom", last_name="Lee"),
            customer("shopify", "web", phone="+15135550001", first_name=" tom", last_name="LEE"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:mother"), together("customer:son", "customer:web")}


def test_two_accounts_of_one_source_with_one_phone_and_name_are_one_person(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "first", phone="+15135550001", first_name="Ann", last_name="Lee"),
            customer("square", "again", email="new@mail.io", phone="+15135550001", first_name="Ann", last_name="Lee"),
            customer("shopify", "web", email="new@mail.io"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:first", "customer:again", "customer:web")}


def test_two_birth_dates_are_two_people_whatever_they_share(lake: Lake, put: Put) -> None:
    name: dict[str, Any] = {"first_name": "Ann", "last_name": "Lee", "email": "ann.lee@mail.io"}
    put(
        "customers",
        [
            customer("square", "senior", birth_date=date(1950, 5, 1), **name),
            customer("shopify", "junior", birth_date=date(1980, 5, 1), **name),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:senior"), together("customer:junior")}
    assert [row["rule"] for row in events(lake, "refused")] == ["email:two_birth_dates"]


def test_two_loyalty_ids_are_two_people_and_a_loyalty_account_is_its_owners(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "T1", email="ann.lee@mail.io"),
            loyalty("square", "L1", "T1", phone="+15135550001"),
            loyalty("pos2", "L2", "X", phone="+15135550001"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:T1", "loyalty:L1"), together("loyalty:L2")}


def test_an_account_its_source_merged_away_does_not_contradict_the_survivor(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("shopify", "kept", email="ann.lee@mail.io"),
            customer("shopify", "merged", email="ann.lee@mail.io"),
            customer("shopify", "merged", updated=jan(10), email="ann.lee@mail.io", deleted_on=jan(10)),
        ],
    )
    build(lake, jan(9))
    build(lake, jan(10))
    assert people(lake, jan(9)) == {together("customer:kept"), together("customer:merged")}
    assert people(lake, jan(10)) == {together("customer:kept", "customer:merged")}


def test_a_shop_tablet_and_a_no_reply_address_link_nobody(lake: Lake, put: Put) -> None:
    tablet: dict[str, Any] = {"email": "tablet@shop.io", "phone": "+15135570100"}
    put("customers", [customer("square", "T1", phone="+15135550001")])
    put(
        "orders",
        [
            *(order("shopify", f"tablet {n}", **tablet) for n in range(26)),
            order("shopify", "market 1", email="noreply@market.io"),
            order("shopify", "market 2", email="noreply@market.io", phone="+15135550001", first_name="Ann"),
        ],
    )
    report = build(lake)
    assert people(lake) == {together("customer:T1", "order:market 2")}
    assert (report.unresolved, report.blocked) == (27, 3)
    assert {row["rule"] for row in events(lake, "blocked")} == {
        "email:limit_guests",
        "phone:limit_guests",
        "email:no_reply",
    }
    assert all("@" not in row["evidence"] for row in rows(lake, "identity_events"))


def test_a_regular_guest_is_one_person(lake: Lake, put: Put) -> None:
    put("orders", [order("shopify", f"O{n}", email="ann.lee@mail.io") for n in range(25)])
    assert build(lake).profiles == 1


@pytest.mark.parametrize(("sharing", "persons"), [(8, 1), (9, 9)])
def test_a_phone_seen_with_more_people_than_its_limit_links_none_of_them(
    lake: Lake, put: Put, sharing: int, persons: int
) -> None:
    put("orders", [order("shopify", f"O{n}", email=f"guest{n}@mail.io", phone="+15135550009") for n in range(sharing)])
    assert build(lake).profiles == persons


def test_reaching_a_limit_is_an_event_of_its_own_and_splits(lake: Lake, put: Put) -> None:
    put(
        "orders",
        [order("shopify", f"O{n}", jan(n), email=f"guest{n}@mail.io", phone="+15135550009") for n in range(1, 10)],
    )
    build(lake, jan(8))
    report = build(lake, jan(9))
    assert (report.limits, report.splits, report.profiles) == (1, 7, 9)
    assert [row["rule"] for row in events(lake, "limit")] == ["phone:limit"]
    assert {row["rule"] for row in events(lake, "split")} == {"phone:limit"}
    assert build(lake, jan(10)).limits == 0


def test_values_a_company_lists_link_nobody(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "T1", phone="+15135550100"), customer("shopify", "S1", phone="+15135550100")])
    build(lake, blocked_values={"phone": ("+15135550100",)})
    assert len(people(lake)) == 2


def test_the_analytics_user_id_is_the_shops_customer_and_brings_the_device(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", email="ann.lee@mail.io")])
    put(
        "events",
        [
            event("1", "visit", anonymous_id="phone"),
            event("2", "login", anonymous_id="phone", customer_key="S1"),
            event("3", "visit", anonymous_id="stranger"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:S1", "device:phone"), together("device:stranger")}


def test_a_device_joins_whom_it_was_seen_with_most_and_never_joins_two(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1"), customer("square", "T1", email="tom@mail.io")])
    put(
        "events",
        [
            event("1", "login", anonymous_id="tablet", customer_key="S1"),
            event("2", "search", anonymous_id="tablet", customer_key="S1"),
            event("3", "checkout_started", anonymous_id="tablet", email="tom@mail.io"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:S1", "device:tablet"), together("customer:T1", "email")}
    assert [row["rule"] for row in events(lake, "refused")] == ["anonymous_id:shared_device"]


def test_a_device_of_too_many_people_is_nobodys(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", f"S{n}") for n in range(9)])
    put("events", [event(f"{n}", "login", anonymous_id="kiosk", customer_key=f"S{n}") for n in range(9)])
    build(lake)
    assert people(lake) == {together(f"customer:S{n}") for n in range(9)}
    assert [row["rule"] for row in events(lake, "blocked")] == ["anonymous_id:limit"]


def test_messages_to_an_address_are_its_owners(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "T1", email="ann.lee@mail.io")])
    put("messages", [message("m1", "sent", jan(2), "ann.lee@mail.io"), message("m2", "sent", jan(2), "else@mail.io")])
    build(lake)
    assert people(lake) == {together("customer:T1", "email"), together("email")}


def test_an_old_address_stays_with_its_person(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("shopify", "S1", email="maiden@mail.io"),
            customer("shopify", "S1", updated=jan(5), email="married@mail.io"),
            customer("square", "T1", email="maiden@mail.io"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:S1", "customer:T1")}
