"""Writing side of the demo world's store: bulk inserts into a new file, indexes last, the file moved into place whole."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

VERSION_COLUMNS = (
    "vendor",
    "entity",
    "key",
    "route",
    "created_at",
    "updated_at",
    "visible_from",
    "visible_until",
    "body",
)


class WorldWriter:
    """One bulk load of `versions`. The file appears under its name only when the load ended without an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_suffix(".partial")
        self._partial.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._partial, isolation_level=None)
        self._connection.executescript(
            "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
            "CREATE TABLE versions (vendor TEXT NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL, route TEXT NOT NULL,"
            " created_at TEXT NOT NULL, updated_at TEXT NOT NULL, visible_from TEXT NOT NULL, visible_until TEXT, body TEXT);"
            "BEGIN;"
        )

    def __enter__(self) -> Self:
        return self

    def add(self, rows: Iterable[Sequence[str | None]]) -> None:
        """Append versions, in the order of VERSION_COLUMNS."""
        self._connection.executemany("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._connection.close()
            self._partial.unlink(missing_ok=True)
            return
        self._connection.execute("COMMIT")
        self._connection.executescript(
            "CREATE INDEX versions_by_route ON versions (vendor, entity, route, updated_at, key);"
            "CREATE INDEX versions_by_update ON versions (vendor, entity, updated_at, key);"
            "CREATE INDEX versions_by_key ON versions (vendor, entity, key, visible_from);"
            "ANALYZE;"
        )
        self._connection.close()
        self._partial.replace(self._path)
