"""Work that a vendor answers later: a job takes rows, and is polled until it is complete with its failures.

What vendors' documents leave open is a setting: `polls_to_complete` (2) and `job_seconds` (300, sandbox clock) say when a job
is complete, whichever comes first; `apply_jobs` (`at_once`, or `when_complete`) says when what it did can be seen. Jobs are
carried out in the order they came in.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from segment_pipeline.sandbox.exchange import RowErrors
from segment_pipeline.sandbox.lists import PERSON, Person, new_id
from segment_pipeline.sandbox.store import VendorStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, lists TEXT NOT NULL, note TEXT NOT NULL, rows TEXT, every INTEGER,
    total INTEGER NOT NULL, failed INTEGER NOT NULL DEFAULT 0, polls INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, completed_at TEXT);
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (number) WHERE completed_at IS NULL;
CREATE TABLE IF NOT EXISTS job_people (job TEXT, person INTEGER, PRIMARY KEY (job, person)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS job_errors (number INTEGER PRIMARY KEY, job TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS job_errors_job ON job_errors (job, number);
"""
SETTINGS: Mapping[str, Any] = {"apply_jobs": "at_once", "job_seconds": 300, "polls_to_complete": 2}


class Work(NamedTuple):
    """What is to be done: rows for these lists, with what the vendor has noted of them, taken in at `since`."""

    rows: Sequence[Any]
    lists: Sequence[str]
    note: Mapping[str, Any]
    since: str
    fault: RowErrors | None


class Outcome(NamedTuple):
    """What a job did: the numbers of the people it is about, and its failures as the vendor will show them."""

    people: Iterable[int]
    errors: Sequence[Mapping[str, Any]]


class Jobs:
    """The jobs of one vendor's store. `apply` carries work out, within the store's `writing`."""

    def __init__(self, store: VendorStore, apply: Callable[[Work], Outcome]) -> None:
        self.store = store
        self._apply = apply

    def open(self, rows: Sequence[Any], lists: Sequence[str], fault: RowErrors | None, **note: Any) -> sqlite3.Row:
        identifier = new_id()
        later = json.dumps(rows) if self.store.setting("apply_jobs") == "when_complete" else None
        described = json.dumps(lists), json.dumps(note), later, fault and fault.every, len(rows), self.store.now
        with self.store.writing():
            self.store.database.execute(
                "INSERT INTO jobs (id, lists, note, rows, every, total, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (identifier, *described),
            )
            if later is None:
                self._carry_out(self._known(identifier), rows)
        return self._known(identifier)

    def get(self, identifier: str) -> sqlite3.Row | None:
        return self.store.row("SELECT * FROM jobs WHERE id = ?", identifier)

    def poll(self, identifier: str) -> sqlite3.Row | None:
        """The job after one more poll."""
        self.settle()
        job = self.get(identifier)
        if job is None or job["completed_at"] is not None:
            return job
        with self.store.writing():
            self.store.database.execute("UPDATE jobs SET polls = polls + 1 WHERE id = ?", (identifier,))
            if job["polls"] + 1 >= self.store.setting("polls_to_complete"):
                self._complete(job)
        return self._known(identifier)

    def settle(self) -> None:
        """Complete what is due by the clock, though nobody has polled it."""
        due = (self.store.state.now() - timedelta(seconds=self.store.setting("job_seconds"))).isoformat()
        query = "SELECT * FROM jobs WHERE completed_at IS NULL AND created_at <= ? ORDER BY number"
        for job in self.store.rows(query, due):
            with self.store.writing():
                self._complete(job)

    def waits(self, job: sqlite3.Row) -> bool:
        """The vendor has not begun with it: it was just opened, or its next poll is not the last."""
        early = job["polls"] == 0 or job["polls"] < self.store.setting("polls_to_complete") - 1
        return job["completed_at"] is None and early

    def errors(self, identifier: str, after: int, limit: int) -> list[sqlite3.Row]:
        """`number` and `body` of the job's failures."""
        query = "SELECT number, body FROM job_errors WHERE job = ? AND number > ? ORDER BY number LIMIT ?"
        return self.store.rows(query, identifier, after, limit)

    def people(self, identifier: str, after: int, limit: int) -> list[Person]:
        query = (
            f"SELECT {PERSON} FROM job_people j JOIN people p ON p.number = j.person"
            " WHERE j.job = ? AND j.person > ? ORDER BY j.person LIMIT ?"
        )
        return [Person.of(row) for row in self.store.rows(query, identifier, after, limit)]

    def _known(self, identifier: str) -> sqlite3.Row:
        job = self.get(identifier)
        assert job is not None
        return job

    def _complete(self, job: sqlite3.Row) -> None:
        query = "SELECT * FROM jobs WHERE completed_at IS NULL AND rows IS NOT NULL AND number <= ? ORDER BY number"
        for one in self.store.rows(query, job["number"]):
            self._carry_out(one, json.loads(one["rows"]))
        query = "UPDATE jobs SET completed_at = ? WHERE id = ?"
        self.store.database.execute(query, (self.store.now, job["id"]))

    def _carry_out(self, job: sqlite3.Row, rows: Sequence[Any]) -> None:
        fault = RowErrors(job["every"]) if job["every"] else None
        outcome = self._apply(Work(rows, json.loads(job["lists"]), json.loads(job["note"]), job["created_at"], fault))
        people = ((job["id"], number) for number in outcome.people)
        errors = [(job["id"], json.dumps(error)) for error in outcome.errors]
        database = self.store.database
        database.executemany("INSERT OR IGNORE INTO job_people VALUES (?, ?)", people)
        database.executemany("INSERT INTO job_errors (job, body) VALUES (?, ?)", errors)
        database.execute("UPDATE jobs SET rows = NULL, failed = ? WHERE id = ?", (len(errors), job["id"]))
