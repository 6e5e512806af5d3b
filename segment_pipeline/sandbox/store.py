"""One vendor's own state in the sandbox: settings with defaults, and one SQLite file, in the sandbox's time."""

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.exchange import json_body
from segment_pipeline.sandbox.state import SandboxState

SETTINGS = "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"


class VendorStore:
    """Writes are serial and atomic; reads see the last committed state. Safe to use from any thread.

    `defaults`: the vendor's settings, which a test reads and changes at `/_control/<vendor>/settings`.
    Raises ConfigError when the file has the tables of another version.
    """

    def __init__(
        self, state: SandboxState, vendor: str, *, defaults: Mapping[str, Any], schema: Sequence[str] = ()
    ) -> None:
        self.state = state
        self._vendor = vendor
        self._defaults = dict(defaults)
        self._writing = threading.Lock()
        statements = SETTINGS + "".join(schema)
        layout = zlib.crc32(statements.encode()) & 0x7FFFFFFF
        found = self.database.execute("PRAGMA user_version").fetchone()[0]
        if found != layout and self.row("SELECT name FROM sqlite_master LIMIT 1") is not None:
            raise ConfigError(
                f"the sandbox's {vendor} was kept by another version of this package: remove the demo's home and make it anew"
            )
        self.database.executescript(f"{statements} PRAGMA user_version = {layout};")

    @property
    def database(self) -> sqlite3.Connection:
        """This thread's connection; within `writing` it is that transaction's."""
        return self.state.database(self._vendor)

    @property
    def now(self) -> str:
        return self.state.now().isoformat()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction of this thread, the outermost where they are nested; an error rolls it back."""
        database = self.database
        if database.in_transaction:
            yield
            return
        with self._writing:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self.database.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self.database.execute(query, values).fetchone()
        return found

    def setting(self, name: str) -> Any:
        row = self.row("SELECT value FROM settings WHERE name = ?", name)
        return self._defaults[name] if row is None else json.loads(row["value"])

    def change_settings(self, values: Mapping[str, Any]) -> None:
        with self.writing():
            rows = [(name, json.dumps(value)) for name, value in values.items()]
            self.database.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", rows)

    def control(self) -> list[Route]:
        """`GET` and `PUT /settings`."""
        return [Route("/settings", self._settings, methods=["GET", "PUT"])]

    def _settings(self, request: Request) -> Response:
        if request.method == "PUT":
            values = json_body(request) or {}
            if unknown := sorted(set(values) - set(self._defaults)):
                return JSONResponse({"error": f"unknown settings {unknown}"}, 400)
            self.change_settings(values)
        return JSONResponse({name: self.setting(name) for name in self._defaults})


def listed(values: Iterable[object]) -> str:
    """Values for `IN (SELECT value FROM json_each(?))`: any number of them in one parameter."""
    return json.dumps(list(values))
