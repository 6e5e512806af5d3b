"""When a request may leave: slots under rate limits, and what Retry-After asks for. Sends nothing."""

import math
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime

from segment_pipeline import clock

_EPOCH_FROM = 1_000_000_000


class Pacer:
    """Slots for requests under (requests, seconds) limits that all hold at once; safe to share between threads."""

    def __init__(self, rates: Sequence[tuple[int, float]]) -> None:
        from pyrate_limiter import InMemoryBucket, Rate

        limits = [Rate(requests, round(seconds * 1000)) for requests, seconds in sorted(rates, key=lambda r: r[1])]
        self._bucket = InMemoryBucket(limits) if limits else None
        self._lock = threading.Lock()
        self._next_slot = 0

    def wait(self) -> None:
        """Reserve the next free slot, then wait for it outside the lock, so that threads queue in order."""
        from pyrate_limiter import RateItem

        with self._lock:
            now = _milliseconds()
            slot = max(now, self._next_slot)
            if self._bucket is not None:
                item = RateItem("request", slot)
                while not self._bucket.put(item):
                    free_in = self._bucket.waiting(item)
                    item.timestamp += max(1, free_in) if isinstance(free_in, int) else 1
                self._bucket.leak(item.timestamp)
                slot = self._next_slot = item.timestamp
        if slot > now:
            clock.sleep((slot - now) / 1000)

    def hold(self, seconds: float) -> None:
        """No slot before `seconds` have passed: a limit met by one thread is met by all."""
        with self._lock:
            self._next_slot = max(self._next_slot, _milliseconds() + round(seconds * 1000))


def _milliseconds() -> int:
    return round(clock.monotonic() * 1000)


def retry_after(headers: Mapping[str, str], name: str = "retry-after") -> float | None:
    """Seconds to wait by `retry-after`, or the header a vendor says it in: seconds, a Unix time, or an HTTP date; None when absent, unreadable or no time at all.

    Points in time are compared with the answer's own Date where there is one: the two clocks need not agree.
    """
    value = headers.get(name, "").strip()
    if not value:
        return None
    server_now = _http_date(headers.get("date", "")) or clock.now()
    try:
        number = float(value)
    except ValueError:
        until = _http_date(value)
        return None if until is None else max(0.0, (until - server_now).total_seconds())
    if not 0 <= number < math.inf:  # NaN included
        return None
    return number if number < _EPOCH_FROM else max(0.0, number - server_now.timestamp())


def reset_in(headers: Mapping[str, str], name: str, *, per_second: int = 1) -> float | None:
    """Seconds to wait by a header that says when a limit is lifted, in so many ticks `per_second`, told as `retry_after` tells them."""
    try:
        number = float(headers.get(name, "")) / per_second
    except ValueError:
        return None
    return retry_after({"retry-after": repr(number), "date": headers.get("date", "")})


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None
