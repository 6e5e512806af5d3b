"""Cursors that are text, and rows that are outside the window: none is missed, and none is left out without a word."""

from datetime import date
from pathlib import Path

import pytest

from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.tabular import Time
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sources.database.test_database import execute, order, shop
from segment_pipeline_tests.sources.files.till import JUNE, quarantined, rows

TABLE = "CREATE TABLE orders (id INTEGER, who TEXT, paid TEXT, placed TEXT, changed TEXT)"
JUNE_5 = Window.of(date(2017, 6, 5))


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shop.sqlite'}"


def keys(lake: Lake) -> list[str]:
    return [key for (key,) in rows(lake, "orders", "order_key")]


def test_iso_texts_of_every_form_are_of_their_day(lake: Lake, settings: Settings, sqlite: str) -> None:
    """The 5th of June in New York is 04:00 to 04:00 UTC; a blank sorts before a T, and an offset says another day than the text."""
    execute(
        sqlite, TABLE, order(1, "2017-06-05 00:00:00"), order(2, "2017-06-05T23:59:59"), order(3, "2017-06-06T03:59:59Z"),
        order(4, "2017-06-06 01:00:00+02:00"), order(5, "2017-06-05"), order(6, "2017-06-05T03:59:59Z"),
        order(7, "2017-06-06T04:00:00Z"), order(8, "2017-06-04T23:59:59"), order(9, "2017-05-01 00:00:00"),
    )  # fmt: skip
    report = ingest(lake, shop(sqlite), "orders", JUNE_5, settings, "run")
    assert (keys(lake), report.received) == (["1", "2", "3", "4", "5"], 7)
    assert report.notes == ("2 rows are of days outside the window (2017-06-04 to 2017-06-06) and were left out",)
    for day in (4, 6):
        ingest(lake, shop(sqlite), "orders", Window.of(date(2017, 6, day)), settings, f"run-{day}")
    assert keys(lake) == ["1", "2", "3", "4", "5", "6", "7", "8"]


def test_a_cursor_in_a_form_of_its_own_is_windowed_by_what_it_says(lake: Lake, settings: Settings, sqlite: str) -> None:
    execute(sqlite, TABLE, order(1, "05.06.2017 10:00"), order(2, "06.06.2017 10:00"), order(3, "05.07.2016 10:00"))
    source = shop(sqlite, types={"changed": Time("%d.%m.%Y %H:%M")})
    report = ingest(lake, source, "orders", JUNE_5, settings, "run")
    assert (keys(lake), report.received) == (["1"], 3)
    assert report.notes == (
        "its cursor changed is text in a form of its own: all rows are read each time",
        "2 rows are of days outside the window (2016-07-05 to 2017-06-06) and were left out",
    )


def test_a_text_that_is_no_time_is_refused_and_not_passed_over(lake: Lake, settings: Settings, sqlite: str) -> None:
    execute(sqlite, TABLE, *(order(n, "2017-06-05T12:00:00") for n in range(40)), order(98, "yesterday"))
    assert ingest(lake, shop(sqlite), "orders", JUNE, settings, "run").quarantined == {"changed is no time": 1}


def test_a_row_without_a_cursor_leaves_quarantine_when_it_lands(lake: Lake, settings: Settings, sqlite: str) -> None:
    """Not when it is filled: a day that nobody pulls has not landed."""
    execute(sqlite, TABLE, *(order(n, "2017-06-05 12:00:00") for n in range(40)), order(98, None), order(99, None))
    ingest(lake, shop(sqlite), "orders", JUNE_5, settings, "first")
    assert len(quarantined(lake)) == 2
    execute(sqlite, "UPDATE orders SET changed = '2017-06-09 12:00:00' WHERE id = 98")
    ingest(lake, shop(sqlite), "orders", JUNE_5, settings, "second")
    assert len(quarantined(lake)) == 2
    ingest(lake, shop(sqlite), "orders", Window.of(date(2017, 6, 9)), settings, "third")
    ((reason, raw),) = quarantined(lake)
    assert (reason, '"id":99' in raw, "98" in keys(lake)) == ("changed is empty", True, True)


def test_a_text_that_looks_like_a_day_and_is_none_is_refused_whenever_it_is_asked(
    lake: Lake, settings: Settings, sqlite: str
) -> None:
    """Such a text is of no window: among times it would have stood above, or below, every day that is ever pulled."""
    none = [
        "9999-99-99",
        "0000-00-00",
        "2017-13-05 10:00:00",
        "2016-06-31",
        "2019-02-29",
        "1900-02-29",
        "20a7-06-05",
        "2017-0x-05",
    ]
    there = ["2016-02-29", "2000-02-29", "2018-12-31T23:59:59Z"]
    execute(
        sqlite,
        TABLE,
        *(order(n, "2017-06-05T12:00:00") for n in range(200)),
        *map(order, range(500, 520), there + none),
    )
    report = ingest(lake, shop(sqlite), "orders", JUNE_5, settings, "run")
    assert (report.received, report.quarantined) == (200 + len(none), {"changed is no time": len(none)})


def test_a_text_of_any_bytes_costs_itself(lake: Lake, settings: Settings, sqlite: str) -> None:
    """SQLite keeps what it is given; its driver would give up the whole result."""
    usual = [order(n, "2017-06-05T12:00:00") for n in range(40)]
    odd = ["CAST(x'5a6feb' AS TEXT)", "CAST(x'410042' AS TEXT)"]
    execute(
        sqlite, TABLE, *usual,
        *(f"INSERT INTO orders VALUES ({n}, {who}, 1.5, '2017-06-05', '2017-06-05')" for n, who in enumerate(odd, 98)),
    )  # fmt: skip
    report = ingest(lake, shop(sqlite), "orders", JUNE_5, settings, "run")
    assert rows(lake, "orders", "DISTINCT customer_key") == [("A\ufffdB",), ("Zo\\xeb",), ("ada",)]
    assert report.notes == ("1 texts held what is no Unicode, or NUL: it is a \ufffd now, a byte its number",)
