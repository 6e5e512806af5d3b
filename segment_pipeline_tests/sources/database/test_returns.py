"""Rows that were deleted and are there again: with the cursor they had, no window finds them, and their keys do."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sources.database.test_database import CUSTOMERS, ORDERS, ORDERS_TABLE, execute, order, shop
from segment_pipeline_tests.sources.files.till import rows

TABLE = "CREATE TABLE customers (id INTEGER, name TEXT, mail TEXT, changed TEXT)"
BOB = "INSERT INTO customers VALUES (2, 'Bob', 'bob@quiet.shop', '{}')"
DECEMBER = Window(date(2017, 12, 1), date(2017, 12, 31))
LAST = Window.of(date(2017, 12, 31))


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shop.sqlite'}"


def test_a_customer_that_is_restored_as_it_was_is_open_again(lake: Lake, settings: Settings, sqlite: str) -> None:
    """Within one day too, and as often as it happens: 23:59:59 in New York is 04:59:59 UTC."""
    source, old = shop(sqlite, CUSTOMERS), "2017-12-10 12:00:00"
    execute(
        sqlite,
        TABLE,
        BOB.format(old),
        "INSERT INTO customers VALUES (1, 'Ada', 'ada@quiet.shop', '2017-12-10 12:00:00')",
    )
    ingest(lake, source, "customers", DECEMBER, settings, "first")
    said = []
    for step, change in enumerate(("DELETE FROM customers WHERE id = 2", BOB.format(old)) * 2):
        execute(sqlite, change)
        for turn in range(2):
            ingest(lake, source, "customers", LAST, settings, f"{step}-{turn}")
        said.append(rows(lake, "customers", "customer_key, updated_at, deleted_on, email")[-1])
    assert len(rows(lake, "customers", "customer_key")) == 6, "a step is landed once, however often it is pulled"
    closed = date(2017, 12, 31)
    assert said == [
        ("2", datetime(2018, 1, 1, 4, 59, 59, n, tzinfo=UTC), None if n % 2 else closed, "bob@quiet.shop")
        for n in range(4)
    ]


def test_what_comes_back_changed_is_what_it_says(
    lake: Lake, settings: Settings, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shop(sqlite, CUSTOMERS)
    execute(sqlite, TABLE, BOB.format("2017-12-10 12:00:00"), BOB.format("2017-12-10 12:00:00").replace("(2", "(1"))
    ingest(lake, source, "customers", DECEMBER, settings, "first")
    execute(sqlite, "DELETE FROM customers WHERE id = 2")
    ingest(lake, source, "customers", LAST, settings, "second")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-02T08:00:00+00:00")
    execute(sqlite, BOB.format("2018-01-01 12:00:00").replace("Bob", "Rob"))
    ingest(lake, source, "customers", Window.of(date(2018, 1, 1)), settings, "third")
    assert rows(lake, "customers", "customer_key, day, first_name, deleted_on")[-2:] == [
        ("2", date(2017, 12, 31), "Bob", date(2017, 12, 31)),
        ("2", date(2018, 1, 1), "Rob", None),
    ]


def test_an_order_is_no_longer_cancelled(lake: Lake, settings: Settings, sqlite: str) -> None:
    source = shop(sqlite, replace(ORDERS, deletions=True))
    old = order(2, "2017-12-10 12:00:00")
    execute(sqlite, ORDERS_TABLE, order(1, "2017-12-10 12:00:00"), old)
    ingest(lake, source, "orders", DECEMBER, settings, "first")
    for change in ("DELETE FROM orders WHERE id = 2", old):
        execute(sqlite, change)
        ingest(lake, source, "orders", LAST, settings, change[:6])
    assert [status for (_, _, status) in rows(lake, "orders", "order_key, updated_at, status")] == [
        "completed", "completed", "cancelled", "completed",
    ]  # fmt: skip
