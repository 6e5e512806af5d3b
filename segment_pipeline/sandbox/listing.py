"""Pages of the records a source vendor shows at an instant, read from the world's log of record versions.

Bodies come out as the bytes they were stored as, so that an answer is joined together and never parsed. Knows no vendor.
"""

import base64
import binascii
import hashlib
import json
import sqlite3
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from segment_pipeline.errors import ConfigError

SHOWN = "vendor = ? AND entity = ? AND visible_from <= ? AND (visible_until IS NULL OR visible_until > ?)"


class Condition(NamedTuple):
    """An SQL predicate over a row of `versions` with its bound values."""

    sql: str
    values: tuple[object, ...] = ()


class Record(NamedTuple):
    """One record as shown. `position` is the value of the column the page is ordered by."""

    position: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Listing:
    """Which records of one entity, in which order.

    `order`: an SQL expression over `versions`, never NULL; ties are broken by key. `deleted`: deletions count too, with
    the time they happened for a body.
    """

    vendor: str
    entity: str
    conditions: tuple[Condition, ...] = ()
    order: str = "updated_at"
    descending: bool = False
    deleted: bool = False


class Records:
    """Reads `versions` with one read-only connection per thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def page(
        self, listing: Listing, at: datetime, limit: int, after: tuple[str, str] | None = None
    ) -> tuple[list[Record], bool]:
        """At most `limit` records behind `after` (a position and its key), and whether more follow."""
        if after is not None:
            behind = Condition(f"({listing.order}, key) {'<' if listing.descending else '>'} (?, ?)", after)
            listing = replace(listing, conditions=(*listing.conditions, behind))
        shown = f"{listing.order}, key, CAST(coalesce(body, updated_at) AS BLOB)"
        rows = self._select(shown, listing, at, f"{_ordered(listing)} LIMIT ?", limit + 1)
        return [Record(*row) for row in rows[:limit]], len(rows) > limit

    def count(self, listing: Listing, at: datetime, limit: int = -1) -> int:
        """How many records the listing has; counting stops at `limit`."""
        return len(self._select("1", listing, at, "LIMIT ?", limit))

    def total_bytes(self, listing: Listing, at: datetime) -> int:
        """The bytes of all the listing's bodies."""
        found: int = self._select("coalesce(sum(length(CAST(body AS BLOB))), 0)", listing, at)[0][0]
        return found

    def bodies(self, listing: Listing, at: datetime) -> list[bytes]:
        """All bodies of the listing, in its order."""
        return [row[0] for row in self._select("CAST(body AS BLOB)", listing, at, _ordered(listing))]

    def routes(self, listing: Listing, at: datetime) -> list[str]:
        """The distinct routes of the listing's records, sorted."""
        return [row[0] for row in self._select("DISTINCT route", listing, at, "ORDER BY route")]

    def get(self, vendor: str, entity: str, key: str, at: datetime) -> bytes | None:
        """One record's body; None when the vendor does not show it."""
        found = self.bodies(Listing(vendor, entity, (Condition("key = ?", (key,)),)), at)
        return found[0] if found else None

    def _select(
        self, shown: str, listing: Listing, at: datetime, tail: str = "", *values: object
    ) -> list[tuple[Any, ...]]:
        now = stamp(at)
        parts = [SHOWN] if listing.deleted else [SHOWN, "body IS NOT NULL"]
        bound: list[object] = [listing.vendor, listing.entity, now, now]
        for condition in listing.conditions:
            parts.append(condition.sql)
            bound += condition.values
        return self._execute(f"SELECT {shown} FROM versions WHERE {' AND '.join(parts)} {tail}", [*bound, *values])

    def _execute(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            if not self.path.exists():
                raise ConfigError(
                    f"the sandbox has no world at {self.path}: run `segment-pipeline demo` or build one first"
                )
            connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
            connection.execute("PRAGMA mmap_size = 4294967296")
            self._local.connection = connection
        return connection.execute(sql, values).fetchall()


def _ordered(listing: Listing) -> str:
    direction = "DESC" if listing.descending else "ASC"
    return f"ORDER BY {listing.order} {direction}, key {direction}"


def one_of(expression: str, values: Sequence[object]) -> Condition:
    """`expression IN values`; true of nothing when there are no values."""
    return Condition(f"{expression} IN ({', '.join('?' * len(values))})", tuple(values))


def stamp(instant: datetime) -> str:
    """The fixed-width UTC text `versions` holds instants as, so that they sort as text."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def instant_of(text: str, default_zone: tzinfo | None = None) -> datetime:
    """An RFC 3339 instant. Raises ValueError for any other text, and for one without an offset unless a zone is given."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        if default_zone is None:
            raise ValueError("the instant has no offset")
        instant = instant.replace(tzinfo=default_zone)
    return instant.astimezone(UTC)


def seal(*parts: object) -> str:
    """A cursor: text a client can only hand back."""
    content = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(zlib.crc32(content).to_bytes(4, "big") + content).decode().rstrip("=")


def unseal(cursor: str) -> list[object]:
    """The parts of a cursor. Raises ValueError when it is not one `seal` made."""
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        raise ValueError("not a cursor") from None
    if len(content) < 5 or zlib.crc32(content[4:]).to_bytes(4, "big") != content[:4]:
        raise ValueError("not a cursor")
    parts: list[object] = json.loads(content[4:])
    return parts


class Place(NamedTuple):
    """Where a page begins: behind a record (None: at the start), with what its cursor was given to keep."""

    after: tuple[str, str] | None
    kept: Sequence[object]


def sealed(last: Record, made_for: object, *kept: object) -> str:
    """The cursor of the page behind `last`, good only with what it was made for."""
    return seal(_digest(made_for), last.position, last.key, *kept)


def opened(cursor: str | None, made_for: object) -> Place:
    """Raises ValueError for what is no cursor, and for one that was made for anything else."""
    if not cursor:
        return Place(None, ())
    mine, *parts = unseal(cursor)
    if mine != _digest(made_for) or len(parts) < 2:
        raise ValueError("the cursor was made for another query")
    return Place((str(parts[0]), str(parts[1])), parts[2:])


def _digest(made_for: object) -> str:
    return hashlib.sha256(json.dumps(made_for, sort_keys=True, default=str).encode()).hexdigest()[:16]


def enveloped(name: str, bodies: Sequence[bytes], **fields: object) -> bytes:
    """A JSON object with these bodies as they are under `name`, which an empty list leaves out, and the fields behind it."""
    listed = [b'"%s":[%s]' % (name.encode(), b",".join(bodies))] if bodies else []
    told = [f"{json.dumps(field)}:{json.dumps(value)}".encode() for field, value in fields.items()]
    return b"{%s}" % b",".join([*listed, *told])
