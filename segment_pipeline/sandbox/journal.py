"""What the sandbox was asked: counts of reads and writes per vendor, and whole requests with their answers when recording is on.

Holds bodies only in memory and only while recording.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Scope

# Everything else may be a credential; a signature is of one body, and tells no secret.
KEPT_HEADERS = re.compile(r"accept|content-type|user-agent|revision|[\w-]*version|webhook-\w+")


@dataclass(slots=True)
class Tally:
    """Requests that arrived, whether or not they were answered."""

    read: int = 0
    write: int = 0
    by_route: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class Journal:
    """Counts since the start or the last clear. Used from the event loop only."""

    def __init__(self, vendors: Iterable[str]) -> None:
        self._tallies = {vendor: Tally() for vendor in vendors}
        self._kept: deque[dict[str, Any]] = deque(maxlen=500)
        self.recording = False

    def count(self, vendor: str, route: str, *, write: bool) -> None:
        tally = self._tallies[vendor]
        if write:
            tally.write += 1
        else:
            tally.read += 1
        tally.by_route[route] += 1

    def count_fault(self, vendor: str, kind: str) -> None:
        self._tallies[vendor].faults[kind] += 1

    def counts(self) -> dict[str, dict[str, object]]:
        return {
            vendor: {"read": t.read, "write": t.write, "by_route": dict(t.by_route), "faults": dict(t.faults)}
            for vendor, t in self._tallies.items()
        }

    def clear(self) -> None:
        self._tallies = {vendor: Tally() for vendor in self._tallies}
        self._kept.clear()

    def switch(self, *, on: bool, limit: int) -> None:
        """Start or stop keeping requests; starting forgets what was kept."""
        self.recording = on
        if on:
            self._kept = deque(maxlen=limit)

    def record(self, vendor: str, scope: Scope, content: bytes) -> dict[str, Any] | None:
        """Keep one request, without its credentials' headers; what is kept, for its `answer`, or None."""
        if not self.recording:
            return None
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        kept = {
            "vendor": vendor,
            "method": scope["method"],
            "path": scope["path"],
            "query": parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True),
            "headers": {name: value for name, value in headers.items() if KEPT_HEADERS.fullmatch(name)},
            "body": content.decode("utf-8", "replace"),
        }
        self._kept.append(kept)
        return kept

    def recorded(self, vendor: str | None) -> list[dict[str, Any]]:
        """The last requests kept, oldest first; `vendor` None: everybody's."""
        return [request for request in self._kept if vendor in (None, request["vendor"])]
