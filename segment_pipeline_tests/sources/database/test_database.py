"""Tables and queries of real servers: PostgreSQL and MariaDB, and SQLite where the server does not matter."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.source import Kind
from segment_pipeline.landing.tabular import Const, Time, each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.database.connector import Database, DatabaseTable
from segment_pipeline_tests import mariadb, postgres as postgresql
from segment_pipeline_tests.sources.files.till import JUNE, quarantined, rows

ORDERS = DatabaseTable(
    "orders",
    table="orders",
    at="placed",
    updated="changed",
    currency=Const("EUR"),
    fills=(each("orders", order_key="id", customer_key="who", channel=Const("web"), net="paid"),),
)
CUSTOMERS = DatabaseTable(
    "customers",
    table="customers",
    updated="changed",
    deletions=True,
    fills=(each("customers", customer_key="id", email="mail", first_name="name"),),
)
JUNE_5 = Window.of(date(2017, 6, 5))


def shop(url: str, *tables: DatabaseTable, **changes: Any) -> Database:
    return Database(name="shop", url=url, tables=tables or (replace(ORDERS, **changes),))


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'shop.sqlite'}"


@pytest.fixture(params=["postgres", "mariadb"])
def database(request: pytest.FixtureRequest) -> str:
    """An empty database on a real server."""
    make = {"postgres": postgresql.new_database, "mariadb": mariadb.new_database}[request.param]
    return make(request.getfixturevalue(request.param))


def order(number: int, changed: str | None, *, who: str = "ada", paid: str = "1.50") -> str:
    said = f"'{changed}'" if changed else "NULL"
    return f"INSERT INTO orders VALUES ({number}, '{who}', {paid}, '2017-06-05 09:30:00', {said})"


ORDERS_TABLE = "CREATE TABLE orders (id INTEGER, who VARCHAR(20), paid DECIMAL(12,2), placed TIMESTAMP NULL, changed TIMESTAMP NULL)"


@pytest.mark.database
def test_a_day_no_calendar_has_costs_its_row_alone(lake: Lake, settings: Settings, database: str) -> None:
    """`infinity` and the year 44 before Christ (PostgreSQL), the day 0000-00-00 (MySQL's for "not known")."""
    odd = ["infinity", "0044-03-15 BC"] if "postgres" in database else ["0000-00-00 00:00:00"]
    allowed = [] if "postgres" in database else ["SET SESSION sql_mode = ''"]
    rows_of = [
        f"INSERT INTO orders VALUES ({n}, 'ada', 1.50, '{day}', '2017-06-05 09:30:00')" for n, day in enumerate(odd, 10)
    ]
    good = [order(n, "2017-06-05 09:30:00") for n in range(100, 160)]
    execute(database, *allowed, ORDERS_TABLE, *good, *rows_of)
    report = ingest(lake, shop(database), "orders", JUNE_5, settings, "run")
    assert (report.received, report.rows["orders"], sum(report.quarantined.values())) == (60 + len(odd), 60, len(odd))


@pytest.mark.database
def test_a_cursor_no_calendar_has_hides_no_other_row(lake: Lake, settings: Settings, database: str) -> None:
    """Of the row itself no window tells: it is read each time, and quarantined."""
    odd = ["infinity", "-infinity", "0044-03-15 BC"] if "postgres" in database else ["0000-00-00 00:00:00"]
    allowed = [] if "postgres" in database else ["SET SESSION sql_mode = ''"]
    good = [order(n, "2017-06-05 09:30:00") for n in range(100, 200)]
    execute(database, *allowed, ORDERS_TABLE, *good, *(order(n, day) for n, day in enumerate(odd, 10)))
    report = ingest(lake, shop(database), "orders", JUNE_5, settings, "run")
    assert (report.received, report.rows["orders"], sum(report.quarantined.values())) == (100 + len(odd), 100, len(odd))


@pytest.mark.database
def test_a_cursor_of_text_that_is_no_day_is_seen_every_time(lake: Lake, settings: Settings, database: str) -> None:
    table = ORDERS_TABLE.replace("changed TIMESTAMP", "changed VARCHAR(30)")
    texts = ["9999-99-99", "2017-02-30", "infinity", "2018-01-01", "2016-02-29"]
    good = [order(n, "2017-06-05T09:30:00") for n in range(100, 200)]
    execute(database, table, *good, *(order(n, text) for n, text in enumerate(texts, 10)))
    report = ingest(lake, shop(database), "orders", JUNE_5, settings, "run")
    assert (report.received, report.quarantined) == (103, {"changed is no time": 3})


@pytest.mark.database
def test_a_window_of_a_table_lands_and_neither_end_is_torn(lake: Lake, settings: Settings, database: str) -> None:
    """Naive times are the company's: the day of New York is 04:00 to 04:00 UTC. Rows with equal cursors stay together."""
    execute(
        database, ORDERS_TABLE, order(1, "2017-06-04 23:59:59"), order(2, "2017-06-05 00:00:00"), order(3, "2017-06-05 00:00:00"),
        order(4, "2017-06-05 23:59:59"), order(5, "2017-06-06 00:00:00"), order(6, "2017-06-06 00:00:00"),
    )  # fmt: skip
    source = shop(database)
    assert ingest(lake, source, "orders", JUNE_5, settings, "run").received == 3
    assert rows(lake, "orders", "order_key, net, updated_at, day") == [
        ("2", Decimal("1.5"), datetime(2017, 6, 5, 4, tzinfo=UTC), date(2017, 6, 5)),
        ("3", Decimal("1.5"), datetime(2017, 6, 5, 4, tzinfo=UTC), date(2017, 6, 5)),
        ("4", Decimal("1.5"), datetime(2017, 6, 6, 3, 59, 59, tzinfo=UTC), date(2017, 6, 5)),
    ]
    for day in (4, 6, 5):
        ingest(lake, source, "orders", Window.of(date(2017, 6, day)), settings, f"run-{day}")
    assert [key for (key,) in rows(lake, "orders", "order_key")] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.database
def test_rows_without_a_cursor_are_seen_every_time_and_quarantined(
    lake: Lake, settings: Settings, database: str
) -> None:
    execute(database, ORDERS_TABLE, *(order(n, "2017-06-05 12:00:00") for n in range(40)), order(99, None))
    report = ingest(lake, shop(database), "orders", JUNE_5, settings, "run")
    assert report.quarantined == {"changed is empty": 1}
    assert ingest(lake, shop(database), "orders", Window.of(date(2017, 6, 9)), settings, "run").received == 1
    assert len(quarantined(lake)) == 1


@pytest.mark.database
def test_a_query_in_chunks_with_odd_types(lake: Lake, settings: Settings, database: str) -> None:
    """More chunks than one, a column that is NULL in the first of them, documents, and a colon that is no parameter."""
    execute(database, ORDERS_TABLE, *(order(n, "2017-06-05 12:00:00", who="" if n < 5 else f"c{n}") for n in range(12)))
    query = "SELECT id, nullif(who, '') AS who, paid, placed, changed, 'a:b' AS note, CASE WHEN id > 7 THEN 1.5 END AS late FROM orders;"
    report = ingest(lake, shop(database, table="", query=query, chunk=3), "orders", JUNE, settings, "run")
    assert report.received == 12
    assert [who for (who,) in rows(lake, "orders", "customer_key")].count(None) == 5
    assert report.notes[0] == "columns mapped to nothing: note, late"


@pytest.mark.database
def test_what_is_deleted_is_closed_and_what_comes_back_is_open(
    lake: Lake, settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can see a deletion by a cursor: all keys are compared, and yesterday is the day it is closed on."""
    execute(
        database,
        "CREATE TABLE customers (id INTEGER, name VARCHAR(20), mail VARCHAR(40), changed TIMESTAMP NULL)",
        "INSERT INTO customers VALUES (1, 'Ada', 'ada@quiet.shop', '2017-12-30 12:00:00'), (2, 'Bob', 'bob@quiet.shop', '2017-12-30 12:00:00')",
    )
    source, december = shop(database, CUSTOMERS), Window(date(2017, 12, 1), date(2017, 12, 31))
    ingest(lake, source, "customers", december, settings, "first")
    execute(database, "DELETE FROM customers WHERE id = 2")
    ingest(lake, source, "customers", december, settings, "second")
    ingest(lake, source, "customers", december, settings, "third")
    assert rows(lake, "customers", "customer_key, email, day, deleted_on") == [
        ("1", "ada@quiet.shop", date(2017, 12, 30), None),
        ("2", "bob@quiet.shop", date(2017, 12, 30), None),
        ("2", "bob@quiet.shop", date(2017, 12, 31), date(2017, 12, 31)),
    ]
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-03T08:00:00+00:00")
    execute(database, "INSERT INTO customers VALUES (2, 'Bob', 'bob@quiet.shop', '2018-01-01 12:00:00')")
    ingest(lake, source, "customers", Window(date(2018, 1, 1), date(2018, 1, 2)), settings, "fourth")
    assert rows(lake, "customers", "customer_key, day, deleted_on")[-1] == ("2", date(2018, 1, 1), None)
    execute(database, "DELETE FROM customers")
    with pytest.raises(ContractError, match="shop/customers: it has no rows at all, and had some"):
        ingest(lake, source, "customers", Window(date(2018, 1, 1), date(2018, 1, 2)), settings, "fifth")


@pytest.mark.database
def test_zones_of_columns_with_and_without(lake: Lake, settings: Settings, postgres: str) -> None:
    url = postgresql.new_database(postgres)
    execute(
        url,
        "CREATE TABLE orders (id uuid, who text, paid float, placed timestamptz, changed timestamptz, tags jsonb)",
        "INSERT INTO orders VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964ff', 'ada', 1.5, '2017-06-05 03:59:59+00', '2017-06-05 03:59:59+00', '[1]'),"
        " ('7f9619ff-8b86-d011-b42d-00c04fc964ff', 'ada', 2.5, '2017-06-05 04:00:00+00', '2017-06-05 04:00:00+00', '{\"a\": 1}')",
    )
    ingest(lake, shop(url), "orders", JUNE_5, settings, "run")
    assert rows(lake, "orders", "order_key, net, ordered_at") == [
        ("7f9619ff-8b86-d011-b42d-00c04fc964ff", Decimal("2.5"), datetime(2017, 6, 5, 4, tzinfo=UTC))
    ]
    naive = "SELECT id, who, paid, placed, changed AT TIME ZONE 'UTC' AS changed FROM orders"
    declared = {"changed": Time(zone="UTC")}
    ingest(
        lake,
        shop(url, table="", query=naive, types=declared, optional=("tags", "changed")),
        "orders",
        JUNE_5,
        settings,
        "run",
    )
    with pytest.raises(ConfigError, match="have the column id twice"):
        ingest(lake, shop(url, table="", query="SELECT id, * FROM orders"), "orders", JUNE_5, settings, "run")
    assert len(rows(lake, "orders", "order_key")) == 1, "the declared zone cuts the window as the column's own did"


def test_a_query_with_other_columns_than_yesterday_fails_before_anything_is_replaced(
    lake: Lake, settings: Settings, sqlite: str
) -> None:
    execute(sqlite, ORDERS_TABLE, order(1, "2017-06-05 12:00:00"))
    ingest(lake, shop(sqlite), "orders", JUNE_5, settings, "first")
    version = lake.version("orders")
    for columns, said in (
        ("id, paid, placed, changed", "shop/orders had the column who at the last landing"),
        (
            "id, 'x' AS who, 'much' AS paid, placed, changed",
            "the column paid held numbers at the last landing and holds texts now",
        ),
    ):
        source = shop(sqlite, table="", query=f"SELECT {columns} FROM orders")
        with pytest.raises((ContractError, ConfigError), match=said):
            ingest(lake, source, "orders", JUNE_5, settings, "second")
    assert lake.version("orders") == version


def test_an_empty_table_is_no_rows_and_a_snapshot_closes_what_is_gone(
    lake: Lake, settings: Settings, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(
        sqlite,
        ORDERS_TABLE,
        "CREATE TABLE shops (id INTEGER, name TEXT)",
        "INSERT INTO shops VALUES (1, 'North'), (2, 'South')",
    )
    assert ingest(lake, shop(sqlite), "orders", JUNE_5, settings, "run").received == 0
    shops = DatabaseTable(
        "shops", table="shops", kind=Kind.SNAPSHOT, fills=(each("stores", store_key="id", name="name"),)
    )
    ingest(lake, shop(sqlite, shops), "shops", JUNE_5, settings, "first")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-02T08:00:00+00:00")
    execute(sqlite, "DELETE FROM shops WHERE id = 2")
    ingest(lake, shop(sqlite, shops), "shops", JUNE_5, settings, "second")
    assert rows(lake, "stores", "store_key, day, deleted_on") == [
        ("1", date(2017, 12, 31), None),
        ("1", date(2018, 1, 1), None),
        ("2", date(2017, 12, 31), None),
        ("2", date(2018, 1, 1), date(2018, 1, 1)),
    ]


def test_a_cursor_that_is_a_number_is_refused_and_mistakes_are_found_early(
    lake: Lake, settings: Settings, sqlite: str
) -> None:
    execute(sqlite, ORDERS_TABLE, order(1, "2017-06-05 12:00:00"))
    with pytest.raises(ConfigError, match="its cursor id holds int, and days are cut by times"):
        ingest(lake, shop(sqlite, updated="id"), "orders", JUNE_5, settings, "run")
    with pytest.raises(ConfigError, match="name a `table` or write a `query`, one of both"):
        replace(ORDERS, query="SELECT 1")
    with pytest.raises(ConfigError, match="only what changes is compared for deletions"):
        replace(CUSTOMERS, kind=Kind.LOG)
    fill = each("events", name=Const("x"))
    with pytest.raises(ConfigError, match="nothing it fills can be closed"):
        replace(CUSTOMERS, fills=(fill,))


def told(act: Callable[[], object], kind: type[Exception], *secrets: str) -> str:
    with pytest.raises(kind) as caught:
        act()
    assert not any(each in str(caught.value) for each in ("ada", "SELECT", *secrets))
    return str(caught.value)


def test_what_a_database_refuses_is_a_sentence_without_its_statement(
    sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(sqlite, ORDERS_TABLE)
    monkeypatch.delenv("DATABASE_SOURCE_URL", raising=False)
    assert "shop/orders: the database refused the query" in told(shop(sqlite, table="nowhere").check, ConfigError)
    assert "DATABASE_SOURCE_URL is not set" in told(shop("").secrets_present, ConfigError)
    assert "its URL cannot be read" in told(shop("no url").check, ConfigError)
    assert "its driver is not installed" in told(shop("snowflake://ada:pw@x/y").check, ConfigError, "pw")


@pytest.mark.database
def test_whose_password_is_wrong_and_who_is_not_there(database: str) -> None:
    url = sa.make_url(database)
    missing: Sequence[str] = [url.set(database="nowhere").render_as_string(hide_password=False)]
    if url.drivername.startswith("mysql"):
        missing = [*missing, url.set(username="nobody", password="wrong").render_as_string(hide_password=False)]
    for each_url in missing:
        assert "shop: the database let nobody in" in told(shop(each_url).check, ConfigError, "wrong")
    assert "shop/orders: the database refused the query" in told(shop(database).check, ConfigError)
    gone = url.set(query={}, host="127.0.0.1", port=9).render_as_string(hide_password=False)
    assert "did not answer" in told(shop(gone).check, TransientError)
