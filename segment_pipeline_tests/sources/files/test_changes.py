"""Files come, change, overlap and go: each is read once, and a changed one replaces its own rows and no other's."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest, land
from segment_pipeline.landing.raw import pulls
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sources.files.till import HEADER, JUNE, Drop, rows, till


def test_lines_orders_and_customers_come_of_one_file(lake: Lake, settings: Settings, drop: Drop) -> None:
    """The total of an order is the sum of its lines; who has no customer is a guest, and no customer is made of it."""
    drop(
        "sales-1.csv",
        HEADER,
        "1;A;2;1,50;05/06/2017 09:30;ada;NL",
        "1;B;1;4,00;05/06/2017 09:30;ada;NL",
        "2;A;1;1,50;05/06/2017 10:00;;NL",
    )
    report = ingest(lake, till(drop.folder), "sales", JUNE, settings, "run")
    assert report.rows == {"order_lines": 3, "orders": 2, "customers": 1}
    assert rows(lake, "orders", "order_key, customer_key, net, net_base, currency, ordered_at, local_at, day") == [
        ("1", "ada", Decimal("7.0000"), None, "GBP", datetime(2017, 6, 5, 8, 30, tzinfo=UTC), datetime(2017, 6, 5, 9, 30), date(2017, 6, 5)),
        ("2", None, Decimal("1.5000"), None, "GBP", datetime(2017, 6, 5, 9, 0, tzinfo=UTC), datetime(2017, 6, 5, 10, 0), date(2017, 6, 5)),
    ]  # fmt: skip
    assert rows(lake, "customers", "customer_key, country, entity") == [("ada", "NL", "customer")]
    assert rows(lake, "order_lines", "order_key, product_key, quantity, net") == [
        ("1", "A", Decimal(2), Decimal(3)),
        ("1", "B", Decimal(1), Decimal(4)),
        ("2", "A", Decimal(1), Decimal("1.5")),
    ]


def test_equal_lines_stay_and_count(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("sales-1.csv", HEADER, *["1;A;1;1,50;05/06/2017 09:30;ada;NL"] * 3)
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "run")
    assert rows(lake, "orders", "net") == [(Decimal("4.5"),)]
    assert len(rows(lake, "order_lines", "line_number")) == 3


def test_a_file_is_read_once(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("sales-1.csv", HEADER, "1;A;1;1,50;05/06/2017 09:30;ada;NL")
    source = till(drop.folder)
    ingest(lake, source, "sales", JUNE, settings, "first")
    version = lake.version("orders")
    assert ingest(lake, source, "sales", JUNE, settings, "second").received == 0
    drop.touch("sales-1.csv", "2017-06-20T00:00:00")
    assert ingest(lake, source, "sales", JUNE, settings, "third").received == 0
    assert lake.version("orders") == version


def test_a_changed_file_replaces_its_own_rows_and_no_others(lake: Lake, settings: Settings, drop: Drop) -> None:
    """A line vanished, one moved to another day, one is new; the other file's rows stay, although they share the days."""
    drop("sales-1.csv", HEADER, "1;A;1;1,50;05/06/2017 09:30;ada;NL", "2;A;1;1,50;06/06/2017 09:30;bob;NL")
    drop("sales-2.csv", HEADER, "9;A;1;9,00;05/06/2017 09:30;eve;NL")
    source = till(drop.folder)
    ingest(lake, source, "sales", JUNE, settings, "first")
    drop(
        "sales-1.csv",
        HEADER,
        "2;A;1;1,50;07/06/2017 09:30;bob;NL",
        "3;A;1;3,00;05/06/2017 09:30;ada;NL",
        at="2017-06-20T00:00:00",
    )
    report = ingest(lake, source, "sales", JUNE, settings, "second")
    assert report.received == 3, "the file that shares days with its former content is read again"
    assert rows(lake, "orders", "order_key, dayofmonth(day), origin") == [
        ("2", 7, "sales-1.csv"),
        ("3", 5, "sales-1.csv"),
        ("9", 5, "sales-2.csv"),
    ]
    assert len(rows(lake, "order_lines", "order_key")) == 3
    assert rows(lake, "customers", "customer_key") == [("ada",), ("bob",), ("eve",)]


def test_a_file_that_is_gone_keeps_its_rows(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("sales-1.csv", HEADER, "1;A;1;1,50;05/06/2017 09:30;ada;NL")
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "first")
    (drop.folder / "sales-1.csv").unlink()
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "second")
    assert rows(lake, "orders", "order_key") == [("1",)]


def test_of_two_files_with_one_order_the_newer_counts_and_it_is_said(
    lake: Lake, settings: Settings, drop: Drop
) -> None:
    drop("sales-1.csv", HEADER, "1;A;1;1,50;05/06/2017 09:30;ada;NL", at="2017-06-10T00:00:00")
    drop("sales-2.csv", HEADER, "1;A;1;2,00;05/06/2017 09:30;ada;NL", at="2017-06-11T00:00:00")
    report = ingest(lake, till(drop.folder), "sales", JUNE, settings, "run")
    assert rows(lake, "orders", "net, origin") == [(Decimal(2), "sales-2.csv")]
    assert any("1 rows of orders" in note for note in report.notes)


def test_a_row_two_files_had_comes_back_when_the_newer_loses_it(lake: Lake, settings: Settings, drop: Drop) -> None:
    line = "1;A;1;1,50;05/06/2017 09:30;ada;NL"
    drop("sales-1.csv", HEADER, line, at="2017-06-10T00:00:00")
    drop("sales-2.csv", HEADER, line, "2;A;1;1,00;05/06/2017 09:30;bob;NL", at="2017-06-11T00:00:00")
    source = till(drop.folder)
    ingest(lake, source, "sales", JUNE, settings, "first")
    assert rows(lake, "orders", "order_key, origin") == [("1", "sales-2.csv"), ("2", "sales-2.csv")]
    drop("sales-2.csv", HEADER, "2;A;1;1,00;05/06/2017 09:30;bob;NL", at="2017-06-12T00:00:00")
    ingest(lake, source, "sales", JUNE, settings, "second")
    assert rows(lake, "orders", "order_key, origin") == [("1", "sales-1.csv"), ("2", "sales-2.csv")]


def test_files_together_or_one_after_the_other_give_the_same_lake(
    lake: Lake, settings: Settings, drop: Drop, tmp_path: Path, other_lake: Lake
) -> None:
    drop("sales-1.csv", HEADER, "1;A;1;1,50;05/06/2017 09:30;ada;NL", "2;A;1;5,00;06/06/2017 09:30;ada;NL")
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "first")
    drop(
        "sales-2.csv",
        HEADER,
        "2;A;1;5,00;06/06/2017 09:30;ada;NL",
        "3;A;1;1,00;06/06/2017 11:30;ada;NL",
        at="2017-06-11T00:00:00",
    )
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "second")
    ingest(other_lake, till(drop.folder), "sales", JUNE, settings, "both")
    for table in ("orders", "order_lines", "customers"):
        assert rows(lake, table, "*") == rows(other_lake, table, "*")


def test_an_old_pull_landed_again_does_not_bring_former_content_back(
    lake: Lake, settings: Settings, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = till(drop.folder)
    drop("sales-1.csv", HEADER, "1;A;1;1,50;05/06/2017 09:30;ada;NL")
    ingest(lake, source, "sales", JUNE, settings, "first")
    (old,) = pulls(settings.raw, "till", "sales")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-02T08:00:00+00:00")
    drop("sales-1.csv", HEADER, "2;A;1;1,50;05/06/2017 09:30;ada;NL", at="2017-06-20T00:00:00")
    ingest(lake, source, "sales", JUNE, settings, "second")
    land(lake, source, "sales", old, settings, "again")
    assert rows(lake, "orders", "order_key") == [("2",)]
    assert rows(lake, "customers", "customer_key") == [("ada",)]


def test_stored_files_land_again_into_an_empty_lake(
    lake: Lake, settings: Settings, drop: Drop, other_lake: Lake
) -> None:
    source = till(drop.folder)
    drop("sales-1.csv", HEADER, "1;A;1;1,50;05/06/2017 09:30;ada;NL", "too few")
    ingest(lake, source, "sales", JUNE, settings, "first")
    (kept,) = pulls(settings.raw, "till", "sales")
    land(other_lake, source, "sales", kept, settings, "again")
    for table in ("orders", "order_lines", "customers", "quarantine", "extracts"):
        assert rows(lake, table, "*") == rows(other_lake, table, "*")
        assert rows(lake, table, "*")
