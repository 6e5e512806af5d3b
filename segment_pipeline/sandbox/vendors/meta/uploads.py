"""Meta's upload sessions: what each has received, and the replace that takes an audience's place when it ends."""

import sqlite3
from datetime import datetime, timedelta
from typing import Any

from segment_pipeline.sandbox.exchange import Refused
from segment_pipeline.sandbox.lists import Lists
from segment_pipeline.sandbox.state import parse_instant
from segment_pipeline.sandbox.vendors.meta.graph import Parameters, refused, whole
from segment_pipeline.sandbox.vendors.meta.rows import People

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    session TEXT PRIMARY KEY, audience TEXT NOT NULL, kind TEXT NOT NULL, stage TEXT NOT NULL, received INTEGER NOT NULL,
    invalid INTEGER NOT NULL, started_at TEXT NOT NULL, ended_at TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_audience ON uploads (audience);
"""
REPLACE_LIFE = timedelta(minutes=90)
ERRORS = {
    1870145: "The audience is being updated by a replace that is in progress",
    1870147: "The replace session did not start with batch_seq 1",
    1870158: "The replace session has lasted more than 90 minutes",
    1870159: "The replace session has already finished",
}


class Uploads:
    """The sessions of the account. People of a replace are staged until it ends."""

    def __init__(self, lists: Lists) -> None:
        self.store = lists.store
        self.lists = lists

    def of(self, audience: str) -> list[sqlite3.Row]:
        return self.store.rows("SELECT * FROM uploads WHERE audience = ? ORDER BY started_at, session", audience)

    def running_replace(self, audience: str) -> bool:
        """Whether a replace is still to end; one whose time is over ends first, with what came."""
        query = "SELECT * FROM uploads WHERE audience = ? AND kind = 'replace' AND ended_at IS NULL"
        running = self.store.row(query, audience)
        if running is None or self.store.state.now() <= (ends := parse_instant(running["started_at"]) + REPLACE_LIFE):
            return running is not None
        with self.store.writing():
            self._finish(running, "timeout", ends.isoformat())
        return False

    def admit(self, audience: str, session: Parameters | None, *, replaces: bool) -> str:
        """The list that a batch changes: the audience, or what a replace stages for it.

        Batch 1 opens a replace; a second batch 1, of this session or another, is in its way, as is any other change.
        """
        if not replaces:
            if self.running_replace(audience):
                raise replace_error(1870145)
            return audience
        if session is None:
            raise refused(100, "The parameter session is required to replace users")
        known = self.store.row("SELECT * FROM uploads WHERE session = ?", session["id"])
        if known is not None and known["ended_at"] is not None:
            raise replace_error(1870158 if known["stage"] == "timeout" else 1870159)
        if session["sequence"] == 1 and self.running_replace(audience):
            raise replace_error(1870145)
        if session["sequence"] != 1 and known is None:
            raise replace_error(1870147)
        return _staged(session["id"])

    def count(self, audience: str, session: Parameters, people: People, *, replaces: bool) -> tuple[int, int]:
        """Rows received and invalid in the session, this batch included; its last batch ends it."""
        upload = self.store.rows(
            "INSERT INTO uploads VALUES (?, ?, ?, 'uploading', ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET"
            " received = received + excluded.received, invalid = invalid + excluded.invalid RETURNING *",
            *(session["id"], audience, "replace" if replaces else "users"),
            *(people.received, people.invalid, self.store.now),
        )[0]
        if session["last"]:
            self._finish(upload, "done", self.store.now)
        return upload["received"], upload["invalid"]

    def drop(self, audience: str) -> None:
        self.store.database.execute("DELETE FROM uploads WHERE audience = ?", (audience,))

    def _finish(self, upload: sqlite3.Row, stage: str, at: str) -> None:
        """After a replace, what came is the audience from now on."""
        if upload["kind"] == "replace":
            self.lists.replace(upload["audience"], _staged(upload["session"]))
        self.lists.touch(upload["audience"], at)
        query = "UPDATE uploads SET ended_at = ?, stage = ? WHERE session = ?"
        self.store.database.execute(query, (at, stage, upload["session"]))


def replace_error(subcode: int) -> Refused:
    """Error 2650 in the words of the guide; only an update in progress is worth another try."""
    return refused(2650, ERRORS[subcode], subcode, transient=subcode == 1870145)


def session_of(given: Any) -> Parameters | None:
    if given is None:
        return None
    if not isinstance(given, dict) or "session_id" not in given:
        raise refused(100, "Invalid parameter: session needs session_id and batch_seq")
    identifier, last = whole(given["session_id"], "session_id"), str(given.get("last_batch_flag", False)).lower()
    return {"id": str(identifier), "sequence": whole(given.get("batch_seq"), "batch_seq"), "last": last == "true"}


def shown(upload: sqlite3.Row) -> dict[str, str]:
    ended = upload["ended_at"]
    return {
        "session_id": upload["session"],
        "start_time": str(epoch(upload["started_at"])),
        "end_time": str(epoch(ended)) if ended else "0",
        "num_received": str(upload["received"]),
        "num_matched": str((upload["received"] - upload["invalid"]) * 7 // 10) if ended else "-1",
        "num_invalid_entries": str(upload["invalid"]),
        "progress": "100" if ended else "50",
        "stage": upload["stage"],
    }


def epoch(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp())


def _staged(session: str) -> str:
    return f"replace:{session}"
