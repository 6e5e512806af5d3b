"""Reading side of the demo world: what a vendor's API shows at an instant of the sandbox's clock.

The store is an immutable log, `versions`, one row per version of a vendor's record; nothing here ever writes to it.
A version is visible in [visible_from, visible_until); a version without a body says the record is gone from then on.
"""

import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from segment_pipeline.errors import ConfigError

Row = tuple[str, str, str]
Instant = datetime | str


def instant(value: Instant) -> str:
    """The store's text form of an instant: fixed width, UTC, sorts as text. Text is taken to be in that form already."""
    if isinstance(value, str):
        return value
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class World:
    """Read-only access to `world.sqlite`, safe to share between threads (one connection each).

    Raises ConfigError when there is no world at the path.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise ConfigError(
                f"there is no demo world at {path}: build it with `segment-pipeline demo` or `build_world`"
            )
        self._uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self._local = threading.local()

    def current(
        self,
        vendor: str,
        entity: str,
        at: Instant,
        *,
        route: str | Sequence[str] | None = None,
        updated_from: Instant | None = None,
        updated_until: Instant | None = None,
        from_inclusive: bool = True,
        until_inclusive: bool = False,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """(key, updated_at, body) of the records visible at `at`, ordered by (updated_at, key).

        `after` is the (updated_at, key) of the last row of the page before. `route` None means any; no row has a NULL body.
        """
        where, values = self._where(
            vendor,
            entity,
            at,
            route=route,
            updated_from=updated_from,
            updated_until=updated_until,
            from_inclusive=from_inclusive,
            until_inclusive=until_inclusive,
        )
        if after is not None:
            where += " AND (updated_at, key) > (?, ?)"
            values += list(after)
        # The page is chosen before bodies are read: sorting rows of several routes would otherwise drag every body along.
        statement = (
            "SELECT v.key, v.updated_at, v.body FROM"
            f" (SELECT rowid AS page_row, updated_at, key FROM versions WHERE {where} ORDER BY updated_at, key LIMIT ?) AS page"
            " JOIN versions AS v ON v.rowid = page.page_row ORDER BY page.updated_at, page.key"
        )
        return self._connection().execute(statement, [*values, -1 if limit is None else limit]).fetchall()

    def get(self, vendor: str, entity: str, key: str, at: Instant) -> Row | None:
        """The version of one record visible at `at`; None when it is not there yet, or no more."""
        moment = instant(at)
        row: Row | None = (
            self._connection()
            .execute(
                "SELECT key, updated_at, body FROM versions WHERE vendor = ? AND entity = ? AND key = ? AND visible_from <= ?"
                " AND (visible_until IS NULL OR visible_until > ?) AND body IS NOT NULL",
                (vendor, entity, key, moment, moment),
            )
            .fetchone()
        )
        return row

    def count(
        self,
        vendor: str,
        entity: str,
        at: Instant,
        *,
        route: str | Sequence[str] | None = None,
        updated_from: Instant | None = None,
        updated_until: Instant | None = None,
        from_inclusive: bool = True,
        until_inclusive: bool = False,
    ) -> int:
        """How many records `current` would give without a limit."""
        where, values = self._where(
            vendor,
            entity,
            at,
            route=route,
            updated_from=updated_from,
            updated_until=updated_until,
            from_inclusive=from_inclusive,
            until_inclusive=until_inclusive,
        )
        # `where` holds column names and placeholders only; every value is bound.
        found: int = self._connection().execute(f"SELECT count(*) FROM versions WHERE {where}", values).fetchone()[0]
        return found

    def routes(self, vendor: str, entity: str) -> list[str]:
        """Every route of an entity, whatever the clock says."""
        rows = self._connection().execute(
            "SELECT DISTINCT route FROM versions WHERE vendor = ? AND entity = ? ORDER BY route", (vendor, entity)
        )
        return [route for (route,) in rows]

    @staticmethod
    def _where(
        vendor: str,
        entity: str,
        at: Instant,
        *,
        route: str | Sequence[str] | None,
        updated_from: Instant | None,
        updated_until: Instant | None,
        from_inclusive: bool,
        until_inclusive: bool,
    ) -> tuple[str, list[str]]:
        moment = instant(at)
        where = "vendor = ? AND entity = ? AND visible_from <= ? AND (visible_until IS NULL OR visible_until > ?) AND body IS NOT NULL"
        values = [vendor, entity, moment, moment]
        if route is not None:
            routes = [route] if isinstance(route, str) else list(route)
            where += f" AND route IN ({', '.join('?' * len(routes))})"
            values += routes
        if updated_from is not None:
            where += f" AND updated_at {'>=' if from_inclusive else '>'} ?"
            values.append(instant(updated_from))
        if updated_until is not None:
            where += f" AND updated_at {'<=' if until_inclusive else '<'} ?"
            values.append(instant(updated_until))
        return where, values

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._uri, uri=True)
            self._local.connection = connection
        return connection
