"""Klaviyo's side: profiles, lists, import jobs and consent, in `klaviyo.sqlite`.

Consent and suppressions are tables of their own, which only the subscription endpoints write.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from segment_pipeline.sandbox.exchange import RowErrors
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.vendors.klaviyo.api import KlaviyoError, Problem, not_found
from segment_pipeline.sandbox.vendors.klaviyo.profiles import (
    Profile,
    ProfileBook,
    find_problem,
    from_row,
    new_id,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profiles (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, email TEXT, phone_number TEXT, external_id TEXT,
    held TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS profiles_id ON profiles (id);
CREATE INDEX IF NOT EXISTS profiles_email ON profiles (email);
CREATE INDEX IF NOT EXISTS profiles_phone ON profiles (phone_number);
CREATE INDEX IF NOT EXISTS profiles_external ON profiles (external_id);
CREATE TABLE IF NOT EXISTS lists (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, opt_in_process TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (
    list TEXT NOT NULL, profile INTEGER NOT NULL, joined_at TEXT NOT NULL, PRIMARY KEY (list, profile)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_profile ON members (profile);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, lists TEXT NOT NULL, payload TEXT, every INTEGER,
    total INTEGER NOT NULL, failed INTEGER NOT NULL, polls INTEGER NOT NULL, created_at TEXT NOT NULL, completed_at TEXT);
CREATE TABLE IF NOT EXISTS job_profiles (job TEXT, profile INTEGER, PRIMARY KEY (job, profile)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS import_errors (number INTEGER PRIMARY KEY, job TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS import_errors_job ON import_errors (job, number);
CREATE TABLE IF NOT EXISTS consents (
    profile INTEGER, channel TEXT, consent TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (profile, channel)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suppressions (
    profile INTEGER, reason TEXT, list TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (profile, reason, list)) WITHOUT ROWID;
"""
DEFAULTS: dict[str, Any] = {
    "apply_jobs": "at_once",
    "bulk_validation": "row",
    "conflicts": "error",
    "error_pointer": "/data",
    "job_seconds": 300,
    "limit_factor": 1000,
    "lists_per_day": 150,
    "poison": [],
    "polls_to_complete": 2,
}


class KlaviyoStore:
    """Writes are serial and atomic; reads see the last committed state. Instants are the sandbox's."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._writing = threading.Lock()
        self.database.executescript(SCHEMA)

    @property
    def database(self) -> sqlite3.Connection:
        return self._state.database("klaviyo")

    @property
    def now(self) -> str:
        return self._state.now().isoformat()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; an error rolls it back."""
        with self._writing:
            database = self.database
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def setting(self, name: str) -> Any:
        row = self.database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return DEFAULTS[name] if row is None else json.loads(row["value"])

    def settings(self) -> dict[str, Any]:
        return {name: self.setting(name) for name in DEFAULTS}

    def change_settings(self, values: Mapping[str, Any]) -> None:
        with self.writing() as database:
            rows = [(name, json.dumps(value)) for name, value in values.items()]
            database.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", rows)

    def create_list(self, name: str, opt_in_process: str) -> sqlite3.Row:
        """Raises KlaviyoError 429 past the day's number of new lists."""
        now = self.now
        with self.writing() as database:
            today = database.execute(
                "SELECT count(*) FROM lists WHERE created_at LIKE ?", (f"{now[:10]}%",)
            ).fetchone()[0]
            if today >= self.setting("lists_per_day"):
                problem = Problem("throttled", "Request was throttled.", "The daily limit of new lists is reached.")
                raise KlaviyoError(429, problem, headers={"Retry-After": "3600"})
            identifier = new_id()[-6:]
            database.execute(
                "INSERT INTO lists (id, name, opt_in_process, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
                (identifier, name, opt_in_process, now, now),
            )
        return self.list_of(identifier)

    def list_of(self, identifier: str) -> sqlite3.Row:
        """Raises KlaviyoError 404 when there is none."""
        row: sqlite3.Row | None = self.database.execute("SELECT * FROM lists WHERE id = ?", (identifier,)).fetchone()
        if row is None:
            raise not_found("list")
        return row

    def lists(self, wanted: tuple[str, Sequence[str]] | None, *, after: int, limit: int) -> Sequence[sqlite3.Row]:
        """`wanted`: a column and its values; None: all."""
        condition, values = _condition(wanted)
        query = f"SELECT * FROM lists WHERE number > ? {condition} ORDER BY number LIMIT ?"
        return self.database.execute(query, (after, *values, limit)).fetchall()

    def rename_list(self, identifier: str, name: str) -> sqlite3.Row:
        self.list_of(identifier)
        with self.writing() as database:
            database.execute("UPDATE lists SET name = ?, updated_at = ? WHERE id = ?", (name, self.now, identifier))
        return self.list_of(identifier)

    def drop_list(self, identifier: str) -> None:
        self.list_of(identifier)
        with self.writing() as database:
            database.execute("DELETE FROM members WHERE list = ?", (identifier,))
            database.execute("DELETE FROM lists WHERE id = ?", (identifier,))

    def size(self, identifier: str) -> int:
        return int(self.database.execute("SELECT count(*) FROM members WHERE list = ?", (identifier,)).fetchone()[0])

    def members(self, identifier: str, *, after: int = 0, limit: int = -1) -> Sequence[sqlite3.Row]:
        query = (
            "SELECT p.*, m.joined_at FROM members m JOIN profiles p ON p.number = m.profile"
            " WHERE m.list = ? AND m.profile > ? ORDER BY m.profile LIMIT ?"
        )
        return self.database.execute(query, (identifier, after, limit)).fetchall()

    def change_members(self, identifier: str, ids: Sequence[str], *, add: bool) -> None:
        """Raises KlaviyoError 404 for an unknown list, and when adding an unknown profile; nothing is changed then."""
        self.list_of(identifier)
        with self.writing() as database:
            query = "SELECT number FROM profiles WHERE id IN (SELECT value FROM json_each(?))"
            numbers = [row["number"] for row in database.execute(query, (json.dumps(sorted(set(ids))),))]
            if add:
                if len(numbers) != len(set(ids)):
                    raise not_found("profile", pointer="/data")
                self.join(database, [identifier], numbers)
            else:
                gone = ((identifier, number) for number in numbers)
                database.executemany("DELETE FROM members WHERE list = ? AND profile = ?", gone)

    def join(self, database: sqlite3.Connection, lists: Iterable[str], numbers: Iterable[int]) -> None:
        now, held = self.now, list(numbers)
        rows = ((identifier, number, now) for identifier in lists for number in held)
        database.executemany("INSERT OR IGNORE INTO members VALUES (?, ?, ?)", rows)

    def profile(self, identifier: str) -> Profile:
        """Raises KlaviyoError 404 when there is none."""
        row = self.database.execute("SELECT * FROM profiles WHERE id = ?", (identifier,)).fetchone()
        if row is None:
            raise not_found("profile")
        return from_row(row)

    def profiles(self, wanted: tuple[str, Sequence[str]] | None, *, after: int = 0, limit: int = -1) -> list[Profile]:
        """`wanted`: a column and its values; None: all."""
        if wanted is not None and wanted[0] == "email":
            wanted = ("email", [value.strip().lower() for value in wanted[1]])
        condition, values = _condition(wanted)
        query = f"SELECT * FROM profiles WHERE number > ? {condition} ORDER BY number LIMIT ?"
        return [from_row(row) for row in self.database.execute(query, (after, *values, limit))]

    def upsert_one(self, sent: Mapping[str, Any], *, create: bool = False) -> tuple[Profile, bool]:
        """The profile and whether it is new. Raises KlaviyoError 409 naming the profile in the way; 404 for an unknown id.

        `create`: an existing profile is in the way too.
        """
        with self.writing() as database:
            book = ProfileBook(database, self.now, [sent])
            found = book.find(sent)
            if sent.get("id") and found is None:
                raise not_found("profile")
            taken = book.conflict(sent, None if create else found)
            if taken is not None:
                raise KlaviyoError(409, duplicate(taken[1]))
            profile = book.upsert(sent, found)
            book.save()
        return profile, found is None

    def erase(self, wanted: tuple[str, str]) -> int:
        """Forget every profile with that id, e-mail or phone; returns how many there were."""
        found = self.profiles((wanted[0], [wanted[1]]))
        with self.writing() as database:
            for profile in found:
                for table in ("members", "job_profiles", "consents", "suppressions"):
                    database.execute(f"DELETE FROM {table} WHERE profile = ?", (profile.number,))
                database.execute("DELETE FROM profiles WHERE number = ?", (profile.number,))
        return len(found)

    def open_job(self, profiles: Sequence[Any], lists: Sequence[str], fault: RowErrors | None) -> sqlite3.Row:
        for identifier in lists:
            self.list_of(identifier)
        identifier = new_id()
        later = self.setting("apply_jobs") == "when_complete"
        with self.writing() as database:
            database.execute(
                "INSERT INTO jobs (id, lists, payload, every, total, failed, polls, created_at) VALUES (?, ?, ?, ?, ?, 0, 0, ?)",
                (
                    identifier,
                    json.dumps(lists),
                    json.dumps(profiles) if later else None,
                    fault.every if fault else None,
                    len(profiles),
                    self.now,
                ),
            )
            if not later:
                self._apply(database, identifier, profiles, lists, fault)
        return self.job(identifier)

    def job(self, identifier: str) -> sqlite3.Row:
        """Raises KlaviyoError 404 when there is none."""
        row: sqlite3.Row | None = self.database.execute("SELECT * FROM jobs WHERE id = ?", (identifier,)).fetchone()
        if row is None:
            raise not_found("profile-bulk-import-job")
        return row

    def poll(self, identifier: str) -> sqlite3.Row:
        """The job after one more poll: complete at the `polls_to_complete`-th, or `job_seconds` of sandbox time after its start."""
        job = self.job(identifier)
        if job["completed_at"] is None:
            over = self._state.now() - parse_instant(job["created_at"]) >= timedelta(
                seconds=self.setting("job_seconds")
            )
            done = over or job["polls"] + 1 >= self.setting("polls_to_complete")
            with self.writing() as database:
                if done and job["payload"] is not None:
                    fault = RowErrors(job["every"]) if job["every"] else None
                    self._apply(database, identifier, json.loads(job["payload"]), json.loads(job["lists"]), fault)
                database.execute(
                    "UPDATE jobs SET polls = polls + 1, completed_at = ? WHERE id = ?",
                    (self.now if done else None, identifier),
                )
        return self.job(identifier)

    def _apply(
        self,
        database: sqlite3.Connection,
        job: str,
        profiles: Sequence[Any],
        lists: Sequence[str],
        fault: RowErrors | None,
    ) -> None:
        share = self.setting("conflicts") == "drop"
        pointed = self.setting("error_pointer") == "indexed"
        readable = [sent for sent in profiles if isinstance(sent, dict) and isinstance(sent.get("attributes"), dict)]
        book = ProfileBook(database, self.now, readable)
        numbers: list[int] = []
        errors: list[tuple[str, str]] = []
        for position, sent in enumerate(profiles):
            problem = find_problem(sent)
            if fault is not None and fault.picks(position):
                problem = Problem("invalid", "Invalid input.", "The profile could not be imported.", "")
            if problem is None:
                outcome = _import_one(book, sent, share=share)
                if isinstance(outcome, Profile):
                    numbers.append(outcome.number)
                    continue
                problem = outcome
            where = f"/data/attributes/profiles/data/{position}{problem.pointer or ''}" if pointed else "/data"
            errors.append((job, json.dumps(_import_error(problem, where, sent))))
        book.save()
        self.join(database, lists, numbers)
        database.executemany("INSERT OR IGNORE INTO job_profiles VALUES (?, ?)", ((job, number) for number in numbers))
        database.executemany("INSERT INTO import_errors (job, body) VALUES (?, ?)", errors)
        database.execute("UPDATE jobs SET payload = NULL, failed = ? WHERE id = ?", (len(errors), job))

    def import_errors(self, job: str, *, after: int, limit: int) -> Sequence[sqlite3.Row]:
        query = "SELECT * FROM import_errors WHERE job = ? AND number > ? ORDER BY number LIMIT ?"
        return self.database.execute(query, (job, after, limit)).fetchall()

    def job_profiles(self, job: str, *, after: int, limit: int) -> list[Profile]:
        query = (
            "SELECT p.* FROM job_profiles j JOIN profiles p ON p.number = j.profile"
            " WHERE j.job = ? AND j.profile > ? ORDER BY j.profile LIMIT ?"
        )
        return [from_row(row) for row in self.database.execute(query, (job, after, limit))]


def duplicate(holder: Profile) -> Problem:
    detail = "A profile already exists with one of these identifiers."
    return Problem(
        "duplicate_profile", "Conflict.", detail, "/data/attributes", meta={"duplicate_profile_id": holder.id}
    )


def _import_one(book: ProfileBook, sent: dict[str, Any], *, share: bool) -> Profile | Problem:
    """`share`: leave an identifier that another profile holds where it is, instead of refusing the row."""
    found = book.find(sent)
    if sent.get("id") and found is None:
        return Problem("not_found", "Not found.", "A profile with this id does not exist.", "/id")
    taken = book.conflict(sent, found)
    while taken is not None:
        if not share:
            return duplicate(taken[1])
        given = {name: value for name, value in sent["attributes"].items() if name != taken[0]}
        sent = {**sent, "attributes": given}
        taken = book.conflict(sent, found)
    return book.upsert(sent, found)


def _import_error(problem: Problem, pointer: str, sent: Any) -> dict[str, Any]:
    return {
        "code": problem.code,
        "title": problem.title,
        "detail": problem.detail,
        "source": {"pointer": pointer},
        "original_payload": sent if isinstance(sent, dict) else None,
    }


def _condition(wanted: tuple[str, Sequence[str]] | None) -> tuple[str, tuple[str, ...]]:
    if wanted is None:
        return "", ()
    return f"AND {wanted[0]} IN (SELECT value FROM json_each(?))", (json.dumps(list(wanted[1])),)
