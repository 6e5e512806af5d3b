"""Publishing traits to PostgreSQL: all of them, then the hundredth of them that changed; by hand with DuckDB's CSV and COPY.

The server is started and stopped within the work: the client's processor seconds are measured, the server's are not.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import psycopg
import sqlalchemy as sa

from segment_pipeline.lake import storage
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.publishing.publish import publish
from segment_pipeline.publishing.shape import published
from segment_pipeline.publishing.target import Target
from segment_pipeline_tests import postgres
from segment_pipeline_tests.benchmarks import by_hand
from segment_pipeline_tests.benchmarks.company import Company
from segment_pipeline_tests.benchmarks.prepared import with_traits
from segment_pipeline_tests.benchmarks.stage import Stage

TRAITS = published("traits", personal=False)
COLUMNS = ", ".join(map(quote, TRAITS.names))
# A list as PostgreSQL reads it. These names hold no quotes, which a careful hand would have to look after.
AS_TEXT = ", ".join(
    f"'{{' || array_to_string({quote(c.name)}, ',') || '}}'" if c.type == "VARCHAR[]" else quote(c.name)
    for c in TRAITS.columns
)
CHUNK = 1 << 20


@contextmanager
def server(company: Company) -> Iterator[str]:
    with postgres.server(company.root / "postgres", durable=True) as url:
        yield url


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace(postgres.DRIVER, "postgresql", 1)) as connection:
        yield connection


def lake_of(company: Company) -> Lake:
    """A lake of the stage's own that holds traits alone."""
    return Lake(str(company.root / "published"), company.lake.engine)


def snapshot(company: Company, day: date) -> str:
    """The files of one day as DuckDB reads them."""
    delta = storage.open_table(lake_of(company).uri("traits"), {})
    assert delta is not None
    files = [file.path for file in storage.files(delta, table("traits"), {"as_of": [day]})]
    return f"read_parquet({literal(files)})"


def first_day(company: Company) -> date:
    return company.as_of


def second_day(company: Company) -> date:
    return company.as_of + timedelta(days=1)


def write(company: Company, day: date, orders_total: str) -> None:
    """The company's traits as a day of the stage's lake, with this for `orders_total`."""
    delta = storage.open_table(company.lake.uri("traits"), {})
    assert delta is not None
    files = [file.path for file in storage.files(delta, table("traits"), {"as_of": [company.as_of]})]
    named = {"as_of": f"{literal(day)} AS as_of", "orders_total": f"{orders_total} AS orders_total"}
    columns = ", ".join(named.get(name, quote(name)) for name in table("traits").names)
    numbered = "SELECT *, row_number() OVER (ORDER BY profile_id) AS number FROM held"
    with lake_of(company).session() as session:
        session.connection.scan("held", table("traits"), files)
        session.replace("traits", f"SELECT {columns} FROM ({numbered})", {"as_of": [day]})


def publish_traits(company: Company, url: str) -> int:
    with closing(Target.open(replace(company.settings, publish=url, publish_schema=None))) as target:
        (done,) = publish(lake_of(company), target, [], tables=["traits"])
    return done.rows


def nothing_published(company: Company) -> None:
    with_traits(company)
    for name in ("published", "postgres"):
        shutil.rmtree(company.root / name, ignore_errors=True)
    write(company, first_day(company), "orders_total")
    with server(company):
        pass


def a_day_published(company: Company) -> None:
    """The published table and the one by hand hold the first day, the lake the second, too."""
    nothing_published(company)
    with server(company) as url:
        publish_traits(company, url)
        with connected(url) as connection:
            connection.execute("CREATE TABLE by_hand (LIKE traits INCLUDING ALL)")
            connection.execute("INSERT INTO by_hand SELECT * FROM traits")
    write(
        company,
        second_day(company),
        "CASE WHEN number % 100 = 0 THEN 1 + coalesce(orders_total, 0) ELSE orders_total END",
    )


def publish_newest(company: Company) -> int:
    with server(company) as url:
        return publish_traits(company, url)


def copy(
    company: Company, hand: duckdb.DuckDBPyConnection, query: str, connection: psycopg.Connection, into: str
) -> int:
    """`duckdb … | psql -c '\\copy …'`: DuckDB writes CSV into a pipe, the driver reads from it."""
    pipe = Path(company.root) / "pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    writing = f"COPY ({query}) TO {literal(str(pipe))} (FORMAT csv, HEADER false)"
    writer = threading.Thread(target=lambda: hand.execute(writing).fetchall())
    writer.start()
    with pipe.open("rb") as rows, connection.cursor() as cursor:
        with cursor.copy(f"COPY {into} FROM STDIN (FORMAT csv)") as copying:
            while chunk := rows.read(CHUNK):
                copying.write(chunk)
        writer.join()
        return cursor.rowcount


def copy_all(company: Company) -> int:
    with server(company) as url, connected(url) as connection:
        engine = sa.create_engine(url)
        connection.execute(str(sa.schema.CreateTable(TRAITS.target(None)).compile(engine)).replace("traits", "by_hand"))
        query = f"SELECT {AS_TEXT} FROM {snapshot(company, first_day(company))}"
        rows = copy(company, by_hand.connection(company), query, connection, "by_hand")
        connection.execute("ALTER TABLE by_hand ADD PRIMARY KEY (profile_id)")
    return rows


def copy_changes(company: Company) -> int:
    """Rows that are new or other ones than the day before, in the place of those with their keys. Nobody is gone."""
    hand = by_hand.connection(company)
    old, new = (snapshot(company, day) for day in (first_day(company), second_day(company)))
    hand.execute(
        f"CREATE TEMP TABLE changed AS SELECT {COLUMNS} FROM {new} EXCEPT SELECT {COLUMNS} FROM {old}"
    ).fetchall()
    with server(company) as url, connected(url) as connection:
        connection.execute("CREATE TEMP TABLE come (LIKE by_hand)")
        copy(company, hand, f"SELECT {AS_TEXT} FROM changed", connection, "come")
        connection.execute("DELETE FROM by_hand USING come WHERE by_hand.profile_id = come.profile_id")
        connection.execute("INSERT INTO by_hand SELECT * FROM come")
        found = connection.execute("SELECT count(*) FROM by_hand").fetchone()
    assert found is not None
    return int(found[0])


STAGES = (
    Stage("publish-all", nothing_published, publish_newest, copy_all),
    Stage("publish-a-hundredth", a_day_published, publish_newest, copy_changes),
)
