"""The only place that reads the time; `SEGMENT_PIPELINE_CLOCK` (an ISO instant) pins it for the demo and for tests.

Durations (time-outs, waits, leases within one process) use `monotonic`, which no setting moves.
"""

import os
import time
from datetime import UTC, date, datetime

from segment_pipeline.errors import ConfigError
from segment_pipeline.zones import zone

VARIABLE = "SEGMENT_PIPELINE_CLOCK"


def now() -> datetime:
    """The current instant, aware, in UTC. Raises ConfigError when the pinned instant is not ISO 8601 with an offset."""
    pinned = os.environ.get(VARIABLE)
    if not pinned:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(pinned)
    except ValueError:
        raise ConfigError(
            f"{VARIABLE} is not an ISO 8601 instant: set it like 2018-01-01T03:00:00+00:00 or unset it"
        ) from None
    if instant.tzinfo is None:
        raise ConfigError(f"{VARIABLE} has no offset from UTC: set it like 2018-01-01T03:00:00+00:00 or unset it")
    return instant.astimezone(UTC)


def today(timezone: str) -> date:
    """The calendar day of `now` in an IANA time zone."""
    return now().astimezone(zone(timezone)).date()


def monotonic() -> float:
    """Seconds that only ever grow, for measuring durations."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait; the one place that does, so that `SEGMENT_PIPELINE_NO_WAIT=1` can turn waiting off in tests."""
    if os.environ.get("SEGMENT_PIPELINE_NO_WAIT") != "1":
        time.sleep(seconds)
