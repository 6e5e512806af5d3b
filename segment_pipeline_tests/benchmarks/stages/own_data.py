"""A company's own data, landed with a mapping: ten columns of events, of a Parquet file, a CSV file and a table of PostgreSQL.

At most ten million rows, with a gigabyte for the engine. The server is started and stopped within the work: the client's seconds
are measured, the server's processor seconds are not.
"""

import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb
import psycopg
import sqlalchemy as sa

from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.source import Source
from segment_pipeline.landing.tabular import To
from segment_pipeline.sources.database.connector import Database, DatabaseTable
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv, Format, Parquet
from segment_pipeline_tests import postgres
from segment_pipeline_tests.benchmarks import by_hand
from segment_pipeline_tests.benchmarks.company import START, Company
from segment_pipeline_tests.benchmarks.stage import Stage

MOST = 10_000_000
MEMORY = "1GB"
COLUMNS = (
    "event_key", "name", "occurred_at", "customer_key", "anonymous_id", "session_key", "product_key", "category", "country",
    "utm_source",
)  # fmt: skip
EVENTS = To("events", {column: column for column in COLUMNS if column != "occurred_at"})
WRITERS = {"parquet": "FORMAT parquet", "csv": "FORMAT csv, HEADER"}
FORMATS: dict[str, Format] = {"parquet": Parquet(), "csv": Csv()}


def folder(company: Company) -> Path:
    return company.root / "own"


def exported(company: Company, kind: str) -> None:
    """A file of the company's events, as old as none is that somebody still writes."""
    file = folder(company) / f"events.{kind}"
    shutil.rmtree(folder(company) / "home", ignore_errors=True)
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    chosen = f"SELECT {', '.join(COLUMNS)} FROM {by_hand.parquet(company, 'events')} LIMIT {MOST}"
    by_hand.connection(company).execute(f"COPY ({chosen}) TO '{file}' ({WRITERS[kind]})")
    os.utime(file, (1.7e9, 1.7e9))


def landed(company: Company, source: Source) -> int:
    """Into a lake that holds nothing yet."""
    home = folder(company) / "home"
    settings = replace(company.settings, home=home, lake=str(home / "lake"), raw=home / "raw", memory=MEMORY)
    window = Window(START, company.as_of)
    return sum(ingest(Lake.open(settings), source, "events", window, settings, "bench").rows.values())


def land_file(company: Company, kind: str) -> int:
    table = FileTable("events", pattern=f"events.{kind}", format=FORMATS[kind], at="occurred_at", fills=(EVENTS,))
    return landed(company, Files(name="own", root=str(folder(company)), tables=(table,)))


def loaded(company: Company) -> None:
    """A table of the same events on a server of the stage's own."""
    exported(company, "csv")
    with postgres.server(company.root / "own-postgres", durable=True) as url:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            there = sa.inspect(connection).has_table("events")
        engine.dispose()
        if there:
            return
        types = ", ".join(f"{column} {'timestamptz' if column == 'occurred_at' else 'text'}" for column in COLUMNS)
        with psycopg.connect(url.replace(postgres.DRIVER, "postgresql", 1)) as raw, raw.cursor() as cursor:
            cursor.execute(f"CREATE TABLE events ({types})".encode())
            with cursor.copy(b"COPY events FROM STDIN (FORMAT csv, HEADER)") as copy:
                with (folder(company) / "events.csv").open("rb") as file:
                    while block := file.read(1 << 20):
                        copy.write(block)
            cursor.execute(b"CREATE INDEX ON events (occurred_at)")


def land_table(company: Company) -> int:
    table = DatabaseTable("events", table="events", at="occurred_at", fills=(EVENTS,))
    with postgres.server(company.root / "own-postgres", durable=True) as url:
        return landed(company, Database(name="own", url=url, tables=(table,)))


def file_by_hand(company: Company, kind: str) -> int:
    """The same file read, cast, and written as Parquet by day, sorted as the lake's files are."""
    file, into = folder(company) / f"events.{kind}", folder(company) / "by-hand"
    shutil.rmtree(into, ignore_errors=True)
    rows = f"SELECT *, CAST(occurred_at AS DATE) AS day FROM '{file}' ORDER BY day, name, category, occurred_at"
    hand: duckdb.DuckDBPyConnection = by_hand.connection(company)
    [(count,)] = hand.execute(f"COPY ({rows}) TO '{into}' (FORMAT parquet, PARTITION_BY (day))").fetchall()
    return int(count)


STAGES = (
    *(
        Stage(
            f"own-{kind}", partial(exported, kind=kind), partial(land_file, kind=kind), partial(file_by_hand, kind=kind)
        )
        for kind in FORMATS
    ),
    Stage("own-postgresql", loaded, land_table),
)
