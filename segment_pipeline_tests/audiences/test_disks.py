"""A disk that is full, read-only or not there is said as it is, in one sentence with a way out, by whatever meets it."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.cli import cli
from segment_pipeline.databases import open_engine, transaction
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.errors import ConfigError, of_the_system
from segment_pipeline.lake.duckdb_engine import engine_errors
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import Person, World, audience

SAID = {
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "quota of disk space is used up",
    errno.EROFS: "its file system is read-only",
    errno.EACCES: "this user may not use it",
    errno.EIO: "its disk cannot be read or written",
}


@pytest.mark.parametrize("number", SAID)
def test_what_the_system_says_is_a_sentence_with_the_place(number: int) -> None:
    said = of_the_system(OSError(number, "ann@known.org", "/home/lake/part"))
    assert said is not None
    assert said.startswith("/home/lake/part cannot be used, ")
    assert SAID[number] in said
    assert "ann@known.org" not in said


def test_what_is_not_the_systems_is_nothing_of_it() -> None:
    assert of_the_system(ValueError("ann@known.org")) is None
    assert of_the_system(OSError("ann@known.org")) is None


def test_a_failed_asset_says_that_the_disk_is_full() -> None:
    with pytest.raises(dg.Failure, match="/raw/page cannot be used, its disk is full"), in_our_words():
        raise OSError(errno.ENOSPC, "No space left on device", "/raw/page")


@pytest.mark.parametrize(
    ("pragma", "said"),
    [("max_page_count = 1", "its disk is full: free some space"), ("query_only = 1", "read-only for this user")],
)
def test_a_database_says_what_its_disk_is(tmp_path: Path, pragma: str, said: str) -> None:
    """The ledger on a full or read-only disk said to look at a variable that was right."""
    path = tmp_path / "ledger.sqlite"
    Ledger.open(f"sqlite:///{path}").close()
    engine = open_engine(f"sqlite:///{path}", what="the ledger", setting="X", pragmas=(pragma,))
    with pytest.raises(ConfigError, match=f"the ledger cannot be written to.*{said}"):
        with transaction(engine, what="the ledger", hint="h") as connection:
            for number in range(500):
                connection.exec_driver_sql(f"CREATE TABLE t{number} (a TEXT)")
    engine.dispose()


def test_a_ledger_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="/sys/none cannot be used, this user may not use it.*SEGMENT_PIPELINE_LEDGER"
    ):
        Ledger.open("sqlite:////sys/none/ledger.sqlite")
    (tmp_path / "text").write_text("no database " * 400)
    with pytest.raises(ConfigError, match="the ledger is no SQLite database: name another file"):
        Ledger.open(f"sqlite:///{tmp_path / 'text'}")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="part of its path is a file"):
        Ledger.open(f"sqlite:///{tmp_path / 'file' / 'below' / 'ledger.sqlite'}")


def test_a_full_ledger_stops_a_sync_and_what_was_sent_is_settled_later(
    world: World, tool: Tool, tmp_path: Path
) -> None:
    """Its disk fills in the middle: one sentence, and the next run with room ends right."""
    world.people([Person(f"p{i}", f"p{i}@shop.test") for i in range(150)])
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as database, database:
        # What is left of the pages there are would hold the plan of so few.
        database.execute("CREATE TABLE filler (text TEXT)")
        database.executemany("INSERT INTO filler VALUES (?)", [("x" * 300,)] * 300)
        [pages] = database.execute("PRAGMA page_count").fetchone()
    full = open_engine(
        f"sqlite:///{tmp_path / 'ledger.sqlite'}",
        what="the ledger",
        setting="X",
        pragmas=(f"max_page_count = {pages}",),
    )
    roomy, world.ledger.engine = world.ledger.engine, full
    report = world.sync(audience(), tool)
    assert report.status == "failed"
    assert "the ledger cannot be written to, its disk is full" in "; ".join(report.reasons)
    full.dispose()
    world.ledger.engine = roomy
    assert world.sync(audience(), tool).status == "synced"
    assert len(tool.held()) == 150


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('IO Error: Could not write file "/s/duckdb_temp": No space left on device', "a disk is full"),
        ('IO Error: Failed to create directory "/h/spill": Read-only file system', "may not be read or written"),
    ],
)
def test_the_engine_says_what_its_disk_is(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said), engine_errors("profiles/x"):
        raise duckdb.IOException(text)


def test_audiences_are_listed_where_the_home_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a read-only home it was a traceback: one line, or the list."""
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", "segment_pipeline.starter.company:STARTER")
    listed = CliRunner().invoke(cli, ["--home", "/sys/none", "audiences", "list"])
    assert listed.exit_code in (0, 1)
    assert "Traceback" not in listed.output
    assert len(listed.stderr.splitlines()) <= 1
