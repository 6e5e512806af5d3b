"""A reader sees the day before or the day, whoever dies when; publishers do not get into each other's way."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.postgres import new_database
from segment_pipeline_tests.publishing.company import MONDAY, TUESDAY, Company, told

# A publisher that stops for good when the rows it was told of so far are as many as asked for, or right before its commit.
PUBLISHER = """
import sys
from pathlib import Path
from segment_pipeline.publishing.target import Target
from segment_pipeline_tests.publishing.company import Company

home, url, stop = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
seen = 0

def pause():
    print("there", flush=True)
    sys.stdin.read()

def progress(table, rows, total):
    global seen
    seen += rows
    if str(seen) == stop:
        pause()

note = Target.note
def noted(*arguments):
    note(*arguments)
    if stop == "commit":
        pause()
Target.note = noted

Company(home, url).publish("traits", progress=progress)
print("done", flush=True)
"""
OLD = [("a", 1), ("b", 2), ("c", None)]
NEW = [("a", 1), ("b", 3), ("d", 4)]


@pytest.fixture
def url(postgres: str) -> str:
    return new_database(postgres)


@pytest.fixture
def company(tmp_path: Path, url: str) -> Iterator[Company]:
    made = Company(tmp_path, url)
    for day, rows in ((MONDAY, OLD), (TUESDAY, NEW)):
        made.traits(day, *({"profile_id": key, "orders_total": orders} for key, orders in rows))
        if day == MONDAY:
            made.publish("traits")
    yield made
    made.close()


def publisher(tmp_path: Path, url: str, stop: str) -> subprocess.Popen[bytes]:
    # As a file: where there is none DuckDB takes the process for a person at a prompt, and shows how far it is.
    script = tmp_path / "publisher.py"
    script.write_text(PUBLISHER)
    command = [sys.executable, str(script), str(tmp_path), url, stop]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def said(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def traits(company: Company) -> list[tuple[Any, ...]]:
    return company.held("traits", "profile_id", "orders_total")


def bookkeeping(company: Company) -> list[tuple[Any, ...]]:
    return company.query("SELECT as_of, row_count FROM segment_pipeline_published")


# Two rows go (changed b, gone c), then two come (b, d).
@pytest.mark.kills
@pytest.mark.parametrize("stop", ["2", "4", "commit"])
def test_a_publisher_killed_anywhere_leaves_the_day_before(
    company: Company, tmp_path: Path, url: str, stop: str
) -> None:
    with publisher(tmp_path, url, stop) as process:
        assert said(process) == b"there"
        assert traits(company) == OLD
        process.kill()
        process.wait(10)
    assert (traits(company), bookkeeping(company)) == (OLD, [(MONDAY, 3)])
    assert told(company.publish("traits")[0]) == ("incremental", 1, 1, 1, 3)
    assert (traits(company), bookkeeping(company)) == (NEW, [(TUESDAY, 3)])


@pytest.mark.kills
@pytest.mark.parametrize("stop", ["3", "commit"])
def test_a_full_load_killed_anywhere_leaves_what_was_there(
    company: Company, tmp_path: Path, url: str, stop: str
) -> None:
    company.run("ALTER TABLE traits ADD COLUMN note TEXT")
    with publisher(tmp_path, url, stop) as process:
        assert said(process) == b"there"
        process.kill()
        process.wait(10)
    assert (traits(company), bookkeeping(company)) == (OLD, [(MONDAY, 3)])
    assert company.publish("traits")[0].why == "its columns are other ones"
    assert traits(company) == NEW


def test_a_second_publisher_waits_for_the_first_and_finds_its_work_done(
    company: Company, tmp_path: Path, url: str
) -> None:
    with publisher(tmp_path, url, "2") as first:
        assert said(first) == b"there"
        with publisher(tmp_path, url, "never") as second:
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            while company.query(waiting) == [(0,)]:
                assert second.poll() is None, "the second publisher did not wait"
                threading.Event().wait(0.05)
            assert traits(company) == OLD
            assert first.stdin is not None
            first.stdin.close()
            assert (said(first), said(second)) == (b"done", b"done")
    assert (traits(company), bookkeeping(company)) == (NEW, [(TUESDAY, 3)])
    assert told(company.publish("traits")[0]) == ("incremental", 0, 0, 0, 3)


def test_a_reader_in_a_transaction_of_its_own_keeps_its_day_through_a_full_load(company: Company) -> None:
    engine = sa.create_engine(company.url, isolation_level="REPEATABLE READ")
    query = sa.text("SELECT profile_id, orders_total FROM traits ORDER BY 1")
    company.run("DELETE FROM traits WHERE profile_id = 'c'")
    with engine.connect() as reader:
        before = reader.execute(query).all()
        (full,) = company.publish("traits")
        assert (full.how, full.deleted) == ("full", 2)
        assert reader.execute(query).all() == before == OLD[:2]
    engine.dispose()
    assert traits(company) == NEW


def test_a_schema_of_its_own_is_made_and_the_view_on_a_table_that_must_go_is_named(tmp_path: Path, url: str) -> None:
    company = Company(tmp_path, url, publish_schema="people")
    company.run("CREATE TABLE traits (mine TEXT)")
    company.members(MONDAY, vip=["a"], new=[])
    company.publish("memberships")
    assert company.held("people.memberships") == [("vip", "h1", "a")]
    company.run("CREATE VIEW vips AS SELECT profile_id FROM people.memberships WHERE segment = 'vip'")
    company.members(TUESDAY, vip=["b"], new=[])
    company.publish("memberships")
    assert company.query("SELECT * FROM vips") == [("b",)]
    company.run("ALTER TABLE people.memberships ADD COLUMN note TEXT")
    with pytest.raises(ConfigError, match="table memberships must be made anew.*drop the views that depend on it"):
        company.publish("memberships")
    assert company.query("SELECT * FROM vips") == [("b",)]
    company.close()
