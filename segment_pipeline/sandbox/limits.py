"""How often a vendor may be called: windows of calls, and a bucket of points. In real time, because the sandbox's may stand still."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable

from segment_pipeline import clock


class LimitReached(Exception):
    """A window is full; `seconds` until it has room."""

    def __init__(self, seconds: float) -> None:
        super().__init__("too many calls")
        self.seconds = seconds


class Windows:
    """Calls by name, each within windows of so many seconds that end now."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def spend(self, name: str, *windows: tuple[int, float]) -> list[int]:
        """Count one call; how many more each window (most calls, seconds; the shortest first) takes. Raises LimitReached."""
        with self._lock:
            now, calls = self._monotonic(), self._calls[name]
            while calls and calls[0] <= now - windows[-1][1]:
                calls.popleft()
            left = []
            for most, seconds in windows:
                inside = len(calls) if seconds == windows[-1][1] else _after(calls, now - seconds)
                if inside >= most:
                    raise LimitReached(calls[-inside] + seconds - now if inside else seconds)
                left.append(most - inside - 1)
            calls.append(now)
            return left


class Bucket:
    """Points that fill up again. `maximum` and `restore_rate` (a second) may be changed; `refill` then fills it."""

    def __init__(self, maximum: float, restore_rate: float) -> None:
        self._lock = threading.Lock()
        self.refill(maximum, restore_rate)

    def refill(self, maximum: float, restore_rate: float) -> None:
        self.maximum, self.restore_rate = maximum, restore_rate
        self.available, self._at = maximum, clock.monotonic()

    def take(self, points: float) -> bool:
        """Take points if they are there; a negative number gives back what was asked for and not used."""
        with self._lock:
            now = clock.monotonic()
            restored = min(self.maximum, self.available + (now - self._at) * self.restore_rate)
            enough = points <= restored
            self._at = now
            self.available = min(self.maximum, restored - points) if enough else restored
            return enough


def _after(calls: deque[float], start: float) -> int:
    """How many of the calls, newest last, are after `start`."""
    count = 0
    for instant in reversed(calls):
        if instant <= start:
            break
        count += 1
    return count
