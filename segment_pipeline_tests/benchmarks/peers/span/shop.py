"""A till, a web shop and an app of one company: 180,000 customer records, 500,000 orders and a million web events, as files.

The files are what the peer reads, named as it wants them, and what our lake is filled from. Their order is the one given;
who a record is of (`PERSON`) is the truth, which neither side is shown.
"""

from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import duckdb

from segment_pipeline import clock
from segment_pipeline_tests.benchmarks.peers.lakes import fill, lake_of

SOURCES: Final = ("till", "shop", "app")

# First person and last of each system, in shares of all the people: 3/4 are in the till, 1/2 in the shop, 1/4 in the app.
_REACH: Final = {"till": (0.0, 0.75), "shop": (0.5, 1.0), "app": (0.375, 0.625)}

# One row per customer record of a system. One in twenty gives no e-mail, three in ten no phone; one in ten mistypes the e-mail
# in the shop; three in a hundred share their phone with the person before.
_CUSTOMERS: Final = """
SELECT
    '{source}' || CAST(person AS VARCHAR) AS "CUSTOMER_ID",
    person AS "PERSON",
    CASE
        WHEN (person * 7 + {salt}) % 20 = 0 THEN NULL
        WHEN '{source}' = 'shop' AND person % 10 = 3 THEN 'mistyped' || CAST(person AS VARCHAR) || '@mail.example'
        ELSE 'person' || CAST(person AS VARCHAR) || '@mail.example'
    END AS "EMAIL",
    CASE WHEN (person * 3 + {salt}) % 10 < 7 THEN
        '+1212' || lpad(CAST(2000000 + CASE WHEN person % 100 IN (11, 53, 95) THEN person - 1 ELSE person END AS VARCHAR), 7, '0')
    END AS "PHONE",
    'first' || CAST(person % 500 AS VARCHAR) AS "FIRST_NAME",
    'last' || CAST(person % 3000 AS VARCHAR) AS "LAST_NAME",
    lpad(CAST(person % 90000 AS VARCHAR), 5, '0') AS "ZIP_CODE",
    CAST('{today}' AS TIMESTAMP) - to_days(CAST(400 + person % 365 AS INTEGER)) AS "CREATED_AT",
    CAST('{today}' AS TIMESTAMP) - to_days(CAST(2 + (person * 11) % 365 AS INTEGER)) AS "UPDATED_AT"
FROM range({first}, {last}) AS t(person)
"""

# One row per order or event, over a year to the day before today; few customers make most of them. `u` is spread evenly.
_FACTS: Final = """
SELECT
    '{source}' || CAST({first} + CAST(floor(({last} - {first}) * u * u) AS BIGINT) AS VARCHAR) AS "CUSTOMER_ID",
    '{name}' || CAST(i AS VARCHAR) AS "{key}",
    CAST('{today}' AS TIMESTAMP) - to_seconds(86400 + (i * 40503) % 31536000) AS "{at}",
    {columns}
FROM (SELECT i, ((i * 2654435761) % 4294967296) / 4294967296.0 AS u FROM range({rows}) AS t(i)) AS made
"""
_AMOUNT: Final = 'CAST(1 + (i * 37) % 20000 / 100.0 AS DECIMAL(18,2)) AS "AMOUNT"'
_EVENT: Final = """
CASE WHEN i % 10 < 4 THEN 'visit' WHEN i % 10 < 8 THEN 'product_viewed' WHEN i % 10 = 8 THEN 'cart_added' ELSE 'search' END
    AS "NAME",
's' || CAST(i // 5 AS VARCHAR) AS "SESSION_ID"
"""
_FILES: Final = {
    "TILL_ORDERS": ("till", "ORDER_ID", "ORDERED_AT", _AMOUNT, 2.5),
    "SHOP_ORDERS": ("shop", "ORDER_ID", "ORDERED_AT", _AMOUNT, 5 / 3),
    "WEB_EVENTS": ("shop", "EVENT_ID", "OCCURRED_AT", _EVENT, 25 / 3),
}


def as_of() -> date:
    return clock.now().date() - timedelta(days=1)


def customers_file(folder: Path, source: str) -> Path:
    return folder / f"LOCAL_SOURCES_{source.upper()}_CUSTOMERS.parquet"


def write_customers(folder: Path, people: int, order: str = '"PERSON"', added: int = 0) -> int:
    """The files of customer records in this order; returns how many there are. `added`: new people at the end of each range."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = 0
    for salt, source in enumerate(SOURCES):
        first, last = _range(source, people)
        query = _CUSTOMERS.format(source=source, salt=salt, today=clock.now().date(), first=first, last=last)
        if added:
            query += f" UNION ALL {_CUSTOMERS.format(source=source, salt=salt, today=clock.now().date(), first=people, last=people + added)}"
        duckdb.execute(f"COPY (SELECT * FROM ({query}) AS q ORDER BY {order}) TO '{customers_file(folder, source)}'")
        rows += last - first + added
    return rows


def write_facts(folder: Path, people: int) -> int:
    """The files of orders and events; returns how many there are."""
    total = 0
    for name, (source, key, at, columns, each) in _FILES.items():
        first, last = _range(source, people)
        rows = round(people * each)
        query = _FACTS.format(
            source=source,
            first=first,
            last=last,
            name=name[0],
            key=key,
            at=at,
            columns=columns,
            rows=rows,
            today=clock.now().date(),
        )
        duckdb.execute(f"COPY ({query}) TO '{folder / f'LOCAL_EVENTS_{name}.parquet'}'")
        total += rows
    return total


def _range(source: str, people: int) -> tuple[int, int]:
    first, last = _REACH[source]
    return round(people * first), round(people * last)


def fill_customers(home: Path, folder: Path) -> None:
    """The customer records of the files, in our lake."""
    records = " UNION ALL ".join(
        f"SELECT '{source}' AS source, * FROM read_parquet('{customers_file(folder, source)}')" for source in SOURCES
    )
    with lake_of(home).session() as session:
        fill(
            session,
            "customers",
            'SELECT source, \'customer\' AS entity, "CUSTOMER_ID" AS customer_key, CAST("UPDATED_AT" AS TIMESTAMPTZ) AS updated_at, '
            '"EMAIL" AS email, "PHONE" AS phone, "FIRST_NAME" AS first_name, "LAST_NAME" AS last_name, "ZIP_CODE" AS postcode, '
            'CAST("CREATED_AT" AS TIMESTAMPTZ) AS created_at, TRUE AS contactable, CAST("UPDATED_AT" AS DATE) AS day '
            f"FROM ({records}) AS records",
        )


def fill_facts(home: Path, folder: Path) -> None:
    """The orders and events of the files, in our lake: a completed sale per order, an event per event."""
    orders = " UNION ALL ".join(
        f"SELECT '{source}' AS source, '{channel}' AS channel, * FROM read_parquet('{folder}/LOCAL_EVENTS_{source.upper()}_ORDERS.parquet')"
        for source, channel in (("till", "store"), ("shop", "web"))
    )
    with lake_of(home).session() as session:
        fill(
            session,
            "orders",
            'SELECT source, "ORDER_ID" AS order_key, CAST("ORDERED_AT" AS TIMESTAMPTZ) AS updated_at, \'sale\' AS kind, '
            '"CUSTOMER_ID" AS customer_key, channel, CAST("ORDERED_AT" AS TIMESTAMPTZ) AS ordered_at, '
            "CAST(\"ORDERED_AT\" AS DATE) AS ordered_on, \"ORDERED_AT\" AS local_at, 'completed' AS status, 'USD' AS currency, "
            '"AMOUNT" AS gross, 0 AS discount, "AMOUNT" AS net, "AMOUNT" AS net_base, 0 AS gift_card_sold, '
            'CAST("ORDERED_AT" AS TIMESTAMPTZ) AS created_at, CAST("ORDERED_AT" AS DATE) AS day '
            f"FROM ({orders}) AS orders",
        )
        fill(
            session,
            "events",
            'SELECT \'shop\' AS source, "EVENT_ID" AS event_key, "NAME" AS name, CAST("OCCURRED_AT" AS TIMESTAMPTZ) AS occurred_at, '
            'CAST("OCCURRED_AT" AS DATE) AS occurred_on, "OCCURRED_AT" AS local_at, '
            'CAST("OCCURRED_AT" AS TIMESTAMPTZ) AS received_at, "CUSTOMER_ID" AS customer_key, "SESSION_ID" AS session_key, '
            'CAST("OCCURRED_AT" AS DATE) AS day '
            f"FROM read_parquet('{folder}/LOCAL_EVENTS_WEB_EVENTS.parquet')",
        )


def land(home: Path, folder: Path) -> dict[str, Any]:
    """All the files, in our lake; how many seconds it took."""
    began = perf_counter()
    fill_customers(home, folder)
    fill_facts(home, folder)
    return {"work": perf_counter() - began}
