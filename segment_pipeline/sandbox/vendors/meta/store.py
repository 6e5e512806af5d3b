"""Meta's side of the audiences: who is in which, and the upload sessions, in `meta.sqlite`.

Rows are kept as sent (by all their keys together), so that a test can read back exactly what was uploaded; a container is an
audience's id, or `replace:<session>` for people of a replace that is still running.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.vendors.meta.graph import ACCOUNT, GraphError
from segment_pipeline.sandbox.vendors.meta.rows import People, Person

REPLACE_LIFE = timedelta(minutes=90)
FIRST_AUDIENCE = 120_210_000_000_000_001
SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audiences (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, subtype TEXT NOT NULL, attributes TEXT NOT NULL,
    operation INTEGER NOT NULL DEFAULT 200, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, content_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS people (row INTEGER PRIMARY KEY, held TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS people_keys (key INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (key, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    container TEXT NOT NULL, row INTEGER NOT NULL, options TEXT, PRIMARY KEY (container, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    account TEXT NOT NULL, session TEXT NOT NULL, audience INTEGER NOT NULL, kind TEXT NOT NULL, started_at TEXT NOT NULL,
    ended_at TEXT, received INTEGER NOT NULL, invalid INTEGER NOT NULL, stage TEXT NOT NULL, PRIMARY KEY (account, session));
"""
DEFAULTS: dict[str, Any] = {
    "minimum_people": 20,
    "calls_per_hour": 190_000,
    "proof_required": True,
    "terms_accepted": True,
    "samples_form": "list",
    "audiences_per_account": 500,
    "poison": [],
}


class MetaStore:
    """Writes are serial and atomic; reads see the last committed state. Instants are the sandbox's."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._writing = threading.Lock()
        self._database.executescript(SCHEMA)

    @property
    def _database(self) -> sqlite3.Connection:
        return self._state.database("meta")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; a GraphError rolls it back."""
        with self._writing:
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def setting(self, name: str) -> Any:
        row = self._database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return DEFAULTS[name] if row is None else json.loads(row["value"])

    def settings(self) -> dict[str, Any]:
        return {name: self.setting(name) for name in DEFAULTS}

    def change_settings(self, values: dict[str, Any]) -> None:
        with self.writing() as database:
            rows = [(name, json.dumps(value)) for name, value in values.items()]
            database.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", rows)

    def create(self, account: str, name: str, subtype: str, attributes: dict[str, Any]) -> int:
        now = self._state.now().isoformat()
        with self.writing() as database:
            held = database.execute("SELECT count(*) FROM audiences WHERE account = ?", (account,)).fetchone()[0]
            if held >= self.setting("audiences_per_account"):
                raise GraphError(2654, "The ad account has reached its limit of custom audiences", subcode=1713092)
            database.execute(
                "INSERT INTO audiences (id, account, name, subtype, attributes, created_at, updated_at, content_at)"
                " SELECT coalesce(max(id) + 1, ?), ?, ?, ?, ?, ?, ?, ? FROM audiences",
                (FIRST_AUDIENCE, account, name, subtype, json.dumps(attributes), now, now, now),
            )
            return int(database.execute("SELECT max(id) FROM audiences").fetchone()[0])

    def update(self, audience: int, values: dict[str, Any]) -> None:
        """`values`: any of name, operation."""
        with self.writing() as database:
            for name in ("name", "operation"):
                if name in values:
                    database.execute(f"UPDATE audiences SET {name} = ? WHERE id = ?", (values[name], audience))
            database.execute(
                "UPDATE audiences SET updated_at = ? WHERE id = ?", (self._state.now().isoformat(), audience)
            )

    def drop(self, audience: int) -> None:
        with self.writing() as database:
            database.execute("DELETE FROM members WHERE container = ?", (str(audience),))
            database.execute("DELETE FROM uploads WHERE audience = ?", (audience,))
            database.execute("DELETE FROM audiences WHERE id = ?", (audience,))

    def audience(self, audience: int) -> sqlite3.Row:
        """Raises GraphError 100/33 when there is none. Ends a replace whose time is over."""
        row: sqlite3.Row | None = self._database.execute("SELECT * FROM audiences WHERE id = ?", (audience,)).fetchone()
        if row is None:
            message = f"Unsupported request. Object with ID '{audience}' does not exist, cannot be loaded due to missing permissions"
            raise GraphError(100, message, subcode=33, kind="GraphMethodException")
        running = self.running_replace(audience)
        if running is not None and self._expired(running):
            with self.writing() as database:
                self._finish(database, running, "timeout")
        return row

    def audiences(self, account: str, *, after: int, limit: int) -> list[sqlite3.Row]:
        query = "SELECT * FROM audiences WHERE account = ? AND id > ? ORDER BY id LIMIT ?"
        return self._database.execute(query, (account, after, limit)).fetchall()

    def size(self, container: str) -> int:
        return int(
            self._database.execute("SELECT count(*) FROM members WHERE container = ?", (container,)).fetchone()[0]
        )

    def rows(self, container: str, *, after: int = 0, limit: int = -1) -> list[dict[str, Any]]:
        """What was uploaded, one per row sent, in a stable order."""
        query = (
            "SELECT m.row, m.options, p.held FROM members m JOIN people p USING (row)"
            " WHERE container = ? AND m.row > ? ORDER BY m.row LIMIT ?"
        )
        found = self._database.execute(query, (container, after, limit))
        return [
            {"row": r["row"], "keys": json.loads(r["held"]), "options": json.loads(r["options"] or "null")}
            for r in found
        ]

    def add(self, audience: int, people: People) -> None:
        with self.writing() as database:
            self._insert(database, str(audience), people.rows)
            self._touch(database, audience)

    def remove(self, audience: int, people: People) -> None:
        """Take out every row that holds one of the keys. Raises GraphError 200/1870047 when too few people would be left."""
        with self.writing() as database:
            before = self.size(str(audience))
            self._delete(database, [str(audience)], people.rows)
            left = self.size(str(audience))
            minimum = int(self.setting("minimum_people"))
            if before >= minimum > left and left != before:
                message = "This removal would leave too few people in the audience"
                raise GraphError(200, message, subcode=1870047)
            self._touch(database, audience)

    def remove_everywhere(self, account: str, people: People) -> None:
        """Take the people out of all of the account's audiences, however few that leaves, and forget their keys."""
        with self.writing() as database:
            held = database.execute("SELECT id FROM audiences WHERE account = ?", (account,)).fetchall()
            self._delete(database, [str(row["id"]) for row in held], people.rows)
            self._forget_strays(database)

    def running_replace(self, audience: int) -> sqlite3.Row | None:
        query = "SELECT * FROM uploads WHERE audience = ? AND kind = 'replace' AND ended_at IS NULL"
        found: sqlite3.Row | None = self._database.execute(query, (audience,)).fetchone()
        return found

    def upload(self, session: str, account: str = ACCOUNT) -> sqlite3.Row | None:
        query = "SELECT * FROM uploads WHERE account = ? AND session = ?"
        found: sqlite3.Row | None = self._database.execute(query, (account, session)).fetchone()
        return found

    def uploads(self, audience: int) -> list[sqlite3.Row]:
        query = "SELECT * FROM uploads WHERE audience = ? ORDER BY started_at, session"
        return self._database.execute(query, (audience,)).fetchall()

    def note_upload(
        self, audience: int, session: str, people: People, *, last: bool, kind: str = "users"
    ) -> tuple[int, int]:
        """Count a batch into its session and return the session's (received, invalid) so far."""
        now = self._state.now().isoformat()
        with self.writing() as database:
            self._count_upload(database, audience, session, people, kind)
            if last:
                database.execute(
                    "UPDATE uploads SET ended_at = ?, stage = 'done' WHERE account = ? AND session = ?",
                    (now, ACCOUNT, session),
                )
            found = database.execute(
                "SELECT received, invalid FROM uploads WHERE account = ? AND session = ?", (ACCOUNT, session)
            )
            received, invalid = found.fetchone()
            return received, invalid

    def replace(self, audience: int, session: str, sequence: int, people: People, *, last: bool) -> tuple[int, int]:
        """One batch of a replace, by Meta's rules; all breaches are GraphError 2650 with the subcode that names them.

        Batch 1 opens the session; a second batch 1, of this session or another, is an update in progress (1870145).
        """
        with self.writing() as database:
            known = self.upload(session)
            if known is not None and known["ended_at"] is not None:
                raise replace_error(1870158 if known["stage"] == "timeout" else 1870159)
            if sequence == 1 and self.running_replace(audience) is not None:
                raise replace_error(1870145)
            if sequence != 1 and known is None:
                raise replace_error(1870147)
            self._count_upload(database, audience, session, people, "replace")
            self._insert(database, f"replace:{session}", people.rows)
            upload = database.execute(
                "SELECT * FROM uploads WHERE account = ? AND session = ?", (ACCOUNT, session)
            ).fetchone()
            if last:
                self._finish(database, upload, "done")
            return upload["received"], upload["invalid"]

    def _expired(self, upload: sqlite3.Row) -> bool:
        return self._state.now() - parse_instant(upload["started_at"]) > REPLACE_LIFE

    def _finish(self, database: sqlite3.Connection, upload: sqlite3.Row, stage: str) -> None:
        """What came is the audience from now on."""
        audience = int(upload["audience"])
        ended = self._state.now()
        if stage == "timeout":
            ended = parse_instant(upload["started_at"]) + REPLACE_LIFE
        database.execute("DELETE FROM members WHERE container = ?", (str(audience),))
        staged = f"replace:{upload['session']}"
        database.execute("UPDATE members SET container = ? WHERE container = ?", (str(audience), staged))
        database.execute(
            "UPDATE uploads SET ended_at = ?, stage = ? WHERE account = ? AND session = ?",
            (ended.isoformat(), stage, upload["account"], upload["session"]),
        )
        self._touch(database, audience, ended)

    def _count_upload(
        self, database: sqlite3.Connection, audience: int, session: str, people: People, kind: str
    ) -> None:
        database.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, NULL, ?, ?, 'uploading')"
            " ON CONFLICT (account, session) DO UPDATE SET"
            " received = received + excluded.received, invalid = invalid + excluded.invalid",
            (ACCOUNT, session, audience, kind, self._state.now().isoformat(), people.received, people.invalid),
        )

    def _touch(self, database: sqlite3.Connection, audience: int, at: datetime | None = None) -> None:
        instant = (at or self._state.now()).isoformat()
        database.execute("UPDATE audiences SET content_at = ? WHERE id = ?", (instant, audience))

    def _insert(self, database: sqlite3.Connection, container: str, people: Sequence[Person]) -> None:
        # In the order of the trees they go into, or a large audience slows every batch down.
        people = sorted(people, key=lambda person: person.row)
        database.executemany("INSERT OR IGNORE INTO people VALUES (?, ?)", ((p.row, p.held) for p in people))
        keys = sorted((key, p.row) for p in people for key in p.keys)
        database.executemany("INSERT OR IGNORE INTO people_keys VALUES (?, ?)", keys)
        members = ((container, p.row, p.options) for p in people)
        database.executemany("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", members)

    def _delete(self, database: sqlite3.Connection, containers: Iterable[str], people: Sequence[Person]) -> None:
        database.execute("CREATE TEMP TABLE IF NOT EXISTS gone (row INTEGER PRIMARY KEY)")
        database.execute("DELETE FROM gone")
        keys = ((key,) for p in people for key in p.keys)
        database.executemany("INSERT OR IGNORE INTO gone SELECT row FROM people_keys WHERE key = ?", keys)
        # A row without an identifying key can only be named by all it holds.
        database.executemany("INSERT OR IGNORE INTO gone VALUES (?)", ((p.row,) for p in people if not p.keys))
        for container in containers:
            database.execute("DELETE FROM members WHERE container = ? AND row IN (SELECT row FROM gone)", (container,))

    def _forget_strays(self, database: sqlite3.Connection) -> None:
        database.execute(
            "DELETE FROM people WHERE row IN (SELECT row FROM gone) AND row NOT IN (SELECT row FROM members)"
        )
        database.execute(
            "DELETE FROM people_keys WHERE row IN (SELECT row FROM gone) AND row NOT IN (SELECT row FROM people)"
        )


def replace_error(subcode: int) -> GraphError:
    """Error 2650 in the words of the guide; only an update in progress is worth another try."""
    messages = {
        1870145: "The audience is being updated by a replace that is in progress",
        1870147: "The replace session did not start with batch_seq 1",
        1870148: "Something went wrong while replacing the audience",
        1870158: "The replace session has lasted more than 90 minutes",
        1870159: "The replace session has already finished",
    }
    return GraphError(2650, messages[subcode], subcode=subcode, transient=subcode == 1870145)
