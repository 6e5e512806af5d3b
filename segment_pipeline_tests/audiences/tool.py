"""A tool that keeps audiences in a SQLite file and behaves like one of three kinds of vendor, faults included.

`any_key`: rows are tuples of identifiers, and a removal takes out every row that shares one (an ad platform).
`one_record`: one record per person, found by the strongest identifier given, known to it by an id of its own (a mailing tool).
`whole_row`: rows are tuples, and a removal takes out exactly the tuple (a file).
"""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from segment_pipeline.connector import About, ConnectorKind
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.errors import ContractError, RejectedRecords, TransientError

PLAIN = (IdentifierRule("email", "email", "email/plain/1"), IdentifierRule("phone", "phone", "phone/plain/1"))
HASHED = (IdentifierRule("EMAIL", "email", "email/sha256/1"), IdentifierRule("PHONE", "phone", "phone/digits-sha256/1"))


def capabilities(**changes: Any) -> Capabilities:
    given: dict[str, Any] = {
        "channel": "ads",
        "identifiers": PLAIN,
        "batch_rows": 3,
        "batch_bytes": 1_000_000,
        "parallel": 1,
        "matches_any_key": True,
    }
    return Capabilities(**(given | changes))


KINDS: dict[str, dict[str, Any]] = {
    "any_key": {"matches_any_key": True, "one_record": False},
    "one_record": {"matches_any_key": False, "one_record": True},
    "whole_row": {"matches_any_key": False, "one_record": False},
}


class Tool:
    """`poison`: values a row must not carry, `names_rows`: whether a refusal of the whole batch says which row it was.

    `refuses`: values whose rows are rejected one by one, with the code `why`. `smallest`: no removal may leave fewer. `trouble`: share of calls
    that go wrong, drawn from `seed`. `step` is called around each change, for crashes.
    """

    about: ClassVar[About] = About(ConnectorKind.DESTINATION, "Tool", "audiences in a SQLite file")

    def __init__(self, path: Path, name: str = "tool", **given: Any) -> None:
        self.path, self.name, self.given = path, name, capabilities(**given)
        self.poison: frozenset[str] = frozenset()
        self.names_rows = False
        self.refuses: frozenset[str] = frozenset()
        self.why = "invalid"
        self.smallest = 0
        self.asynchronous = False
        self.trouble, self.random = 0.0, random.Random(7)
        self.step: Callable[[str], None] = lambda name: None
        with closing(self._open()) as database, database:
            database.executescript(
                "CREATE TABLE IF NOT EXISTS audiences (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);"
                "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, audience TEXT, ids TEXT, attributes TEXT);"
                "CREATE TABLE IF NOT EXISTS jobs (handle TEXT PRIMARY KEY, polls INTEGER, receipt TEXT);"
                "CREATE TABLE IF NOT EXISTS calls (call TEXT, rows INTEGER);"
            )

    @property
    def capabilities(self) -> Capabilities:
        return self.given

    def secrets_present(self) -> None:
        """There are none."""

    def check(self) -> None:
        self._maybe_fail("check")

    def ensure_audience(self, name: str) -> str:
        self._maybe_fail("ensure")
        with closing(self._open()) as database, database:
            database.execute("INSERT OR IGNORE INTO audiences (name) VALUES (?)", [name])
            found = database.execute("SELECT id FROM audiences WHERE name = ?", [name]).fetchone()
        return str(found[0])

    def apply(self, batch: Batch) -> Receipt:
        self.step("before apply")
        self._count(batch.operation.value, batch.rows.num_rows)
        rows = batch.rows.to_pylist()
        assert rows
        assert len(rows) <= self.given.batch_rows
        fate = self.random.random() if self.trouble else 1.0
        if fate < self.trouble / 3:
            raise TransientError("the tool is busy")
        bad = {i: "poison" for i, row in enumerate(rows) if self.poison & set(self._ids(row).values())}
        if bad:
            raise RejectedRecords("the tool refused the batch", rows=bad if self.names_rows else None)
        receipt = self._changed(batch, rows)
        self.step("after apply")
        if fate < self.trouble * 2 / 3:
            raise TransientError("no answer came back", sent=True)
        if fate < self.trouble:
            raise ContractError("the tool answered nonsense")
        return receipt

    def _changed(self, batch: Batch, rows: list[dict[str, Any]]) -> Receipt:
        rejected: dict[str, str] = {}
        vendor_ids: dict[str, str] = {}
        with closing(self._open()) as database, database:
            if batch.operation is Operation.REMOVE and self.smallest:
                held = len(self._held(database, batch.remote_id))
                left = held - len({m for row in rows for m in self._matching(database, batch.remote_id, row)})
                if held >= self.smallest > left:
                    return Receipt(accepted=0, rejected={row["key"]: "too_few_left" for row in rows})
            for row in rows:
                if self.refuses & set(self._ids(row).values()) and batch.operation is Operation.UPSERT:
                    rejected[row["key"]] = self.why
                elif batch.operation is Operation.UPSERT:
                    vendor_ids[row["key"]] = self._upsert(database, batch.remote_id, row)
                else:
                    for gone in self._matching(database, batch.remote_id, row):
                        database.execute("DELETE FROM rows WHERE id = ?", [gone])
            vendor_ids = vendor_ids if self.given.one_record else {}
            receipt = Receipt(len(rows) - len(rejected), rejected, vendor_ids)
            if not self.asynchronous:
                return receipt
            handle = f"{batch.plan}-{batch.number}"
            text = json.dumps([receipt.accepted, rejected, vendor_ids])
            database.execute("INSERT OR REPLACE INTO jobs VALUES (?, 2, ?)", [handle, text])
        return Receipt(0, handle=handle)

    def poll(self, handle: str, batch: Batch) -> Receipt:
        self._maybe_fail("poll")
        self.step("poll")
        with closing(self._open()) as database, database:
            polls, text = database.execute("SELECT polls, receipt FROM jobs WHERE handle = ?", [handle]).fetchone()
            database.execute("UPDATE jobs SET polls = polls - 1 WHERE handle = ?", [handle])
        if polls > 0:
            return Receipt(0, handle=handle)
        accepted, rejected, vendor_ids = json.loads(text)
        return Receipt(accepted, rejected, vendor_ids)

    def count(self, remote_id: str) -> int:
        self._maybe_fail("count")
        return len(self.held(remote_id))

    def held(self, remote_id: str = "1") -> set[tuple[str | None, ...]]:
        """The rows of an audience as tuples of identifiers, in the order of the fields."""
        with closing(self._open()) as database:
            return {
                tuple(json.loads(ids).get(i.column) for i in self.given.identifiers)
                for _, ids in self._held(database, remote_id)
            }

    def attributes(self, remote_id: str = "1") -> list[dict[str, Any]]:
        with closing(self._open()) as database:
            found = database.execute("SELECT attributes FROM rows WHERE audience = ?", [remote_id]).fetchall()
        return sorted((json.loads(row[0]) if row[0] else {} for row in found), key=json.dumps)

    def calls(self) -> list[tuple[str, int]]:
        with closing(self._open()) as database:
            return database.execute("SELECT call, rows FROM calls ORDER BY rowid").fetchall()

    def _upsert(self, database: sqlite3.Connection, audience: str, row: dict[str, Any]) -> str:
        ids = self._ids(row)
        if self.given.one_record:
            same = self._matching(database, audience, row)
        else:
            same = [m for m, text in self._held(database, audience) if json.loads(text) == ids]
        if same:
            text, attributes = database.execute("SELECT ids, attributes FROM rows WHERE id = ?", [same[0]]).fetchone()
            ids = json.loads(text) | ids
            known = json.loads(attributes or "{}") | json.loads(row["attributes"] or "{}")
            update = [json.dumps(ids), json.dumps(known), same[0]]
            database.execute("UPDATE rows SET ids = ?, attributes = ? WHERE id = ?", update)
            return str(same[0])
        new = database.execute(
            "INSERT INTO rows (audience, ids, attributes) VALUES (?, ?, ?)",
            [audience, json.dumps(ids), row["attributes"]],
        )
        return str(new.lastrowid)

    def _matching(self, database: sqlite3.Connection, audience: str, row: dict[str, Any]) -> list[int]:
        ids = self._ids(row)
        held = self._held(database, audience)
        if self.given.matches_any_key:
            return [m for m, text in held if set(json.loads(text).items()) & set(ids.items())]
        if not self.given.one_record:
            return [m for m, text in held if json.loads(text) == ids]
        if row["vendor_id"] and any(str(m) == row["vendor_id"] for m, _ in held):
            return [int(row["vendor_id"])]
        for identifier in self.given.identifiers:
            value = ids.get(identifier.column)
            if value is not None:
                return [m for m, text in held if json.loads(text).get(identifier.column) == value][:1]
        return []

    def _ids(self, row: dict[str, Any]) -> dict[str, str]:
        return {i.column: row[i.column] for i in self.given.identifiers if row[i.column] is not None}

    def _held(self, database: sqlite3.Connection, audience: str) -> list[tuple[int, str]]:
        return database.execute("SELECT id, ids FROM rows WHERE audience = ? ORDER BY id", [audience]).fetchall()

    def _maybe_fail(self, call: str) -> None:
        if self.trouble and self.random.random() < self.trouble:
            raise TransientError(f"the tool is busy ({call})")

    def _count(self, call: str, rows: int) -> None:
        with closing(self._open()) as database, database:
            database.execute("INSERT INTO calls VALUES (?, ?)", [call, rows])

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30)

    # What a person does over there.

    def lists(self) -> dict[str, str]:
        """Names by id."""
        with closing(self._open()) as database:
            return {str(i): name for i, name in database.execute("SELECT id, name FROM audiences ORDER BY id")}

    def put(self, remote_id: str, **ids: str) -> None:
        """Somebody adds a member by hand."""
        with closing(self._open()) as database, database:
            database.execute("INSERT INTO rows (audience, ids) VALUES (?, ?)", [remote_id, json.dumps(ids)])

    def drop(self, remote_id: str, rows: int) -> None:
        """Somebody takes out members by hand."""
        with closing(self._open()) as database, database:
            some = "SELECT id FROM rows WHERE audience = ? ORDER BY id LIMIT ?"
            database.execute(f"DELETE FROM rows WHERE id IN ({some})", [remote_id, rows])

    def lose(self, remote_id: str) -> None:
        """Somebody deletes an audience."""
        with closing(self._open()) as database, database:
            database.execute("DELETE FROM audiences WHERE id = ?", [remote_id])
            database.execute("DELETE FROM rows WHERE audience = ?", [remote_id])

    def _alive(self, remote_id: str) -> None:
        if remote_id not in self.lists():
            raise AudienceGone(f"{self.name} no longer has list {remote_id}: resend the audience to make it anew")


class OpenTool(Tool):
    """A tool that can be read, renamed and deleted, and says so when an audience is gone."""

    def apply(self, batch: Batch) -> Receipt:
        self._alive(batch.remote_id)
        return super().apply(batch)

    def count(self, remote_id: str) -> int:
        self._alive(remote_id)
        return super().count(remote_id)

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        self._alive(remote_id)
        self._maybe_fail("members")
        with closing(self._open()) as database:
            held = self._held(database, remote_id)
        told = [json.loads(ids) | {"vendor_id": str(member) if self.given.one_record else None} for member, ids in held]
        columns = [*(i.column for i in self.given.identifiers), "vendor_id"]
        schema = pa.schema([(column, pa.string()) for column in columns])
        for start in range(0, len(told), 4):
            rows = [{column: row.get(column) for column in columns} for row in told[start : start + 4]]
            yield pa.Table.from_pylist(rows, schema)

    def rename(self, remote_id: str, name: str) -> None:
        self._alive(remote_id)
        self.step("before rename")
        with closing(self._open()) as database, database:
            database.execute("UPDATE audiences SET name = ? WHERE id = ?", [name, remote_id])
        self.step("after rename")

    def delete(self, remote_id: str) -> None:
        self.step("before delete")
        self.lose(remote_id)
        self.step("after delete")


class MuteTool:
    """A tool that tells nothing of what it has. What it holds is in `tool`, which only tests look into."""

    about: ClassVar[About] = Tool.about

    def __init__(self, tool: Tool) -> None:
        self.tool, self.name = tool, tool.name

    @property
    def capabilities(self) -> Capabilities:
        return self.tool.capabilities

    def secrets_present(self) -> None:
        """There are none."""

    def check(self) -> None:
        self.tool.check()

    def ensure_audience(self, name: str) -> str:
        return self.tool.ensure_audience(name)

    def apply(self, batch: Batch) -> Receipt:
        self.tool._alive(batch.remote_id)
        return self.tool.apply(batch)

    @property
    def step(self) -> Callable[[str], None]:
        return self.tool.step

    @step.setter
    def step(self, given: Callable[[str], None]) -> None:
        self.tool.step = given


class BlindTool(MuteTool):
    """As that, but it tells whether it has an audience; it can be neither counted nor read."""

    def exists(self, remote_id: str) -> bool:
        return remote_id in self.tool.lists()


class DeletingTool(BlindTool):
    """As that, and it deletes audiences."""

    def delete(self, remote_id: str) -> None:
        self.tool.step("before delete")
        self.tool.lose(remote_id)
        self.tool.step("after delete")


class ReplacingTool(DeletingTool):
    """As that, and it takes a whole audience in the place of what it holds."""

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        [remote_id] = {batch.remote_id for batch in batches}
        self.tool._alive(remote_id)
        self.tool.step("before replace")
        with closing(self.tool._open()) as database, database:
            database.execute("DELETE FROM rows WHERE audience = ?", [remote_id])
            receipts = []
            for batch in batches:
                rejected = {}
                for row in batch.rows.to_pylist():
                    if self.tool.refuses & set(self.tool._ids(row).values()):
                        rejected[row["key"]] = "invalid"
                    else:
                        self.tool._upsert(database, remote_id, row)
                receipts.append(Receipt.final(batch, rejected, requests=1))
        self.tool.step("after replace")
        yield from receipts


class FindingTool(ReplacingTool):
    """As that, and it tells whether it has an audience of a name."""

    def find(self, name: str) -> str | None:
        return next((remote_id for remote_id, called in self.tool.lists().items() if called == name), None)
