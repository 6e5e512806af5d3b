"""Company days: the window a run is about, and the day a statement about people holds as of.

Holds arithmetic on its own fields, by the zones that SQL's days follow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from segment_pipeline import zones


@dataclass(frozen=True, slots=True)
class Window:
    """A contiguous run of company days, both ends included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"a window ends before it starts: {self.first} to {self.last}")

    @classmethod
    def of(cls, day: date) -> "Window":
        return cls(day, day)

    def days(self) -> Iterator[date]:
        for offset in range(len(self)):
            yield self.first + timedelta(days=offset)

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def widened(self, days_back: int) -> "Window":
        """The same window with `days_back` more days before it: the look-back for late records."""
        return Window(self.first - timedelta(days=days_back), self.last)

    def instants(self, timezone: str) -> tuple[datetime, datetime]:
        """UTC instants [start, end) of the window's days in an IANA time zone; 23- and 25-hour days included."""
        zone = zones.zone(timezone)
        start = datetime.combine(self.first, time(), zone)
        end = datetime.combine(self.last + timedelta(days=1), time(), zone)
        return start.astimezone(UTC), end.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class AsOf:
    """The end of a company day in an IANA time zone: what is said about people holds as of it."""

    day: date
    zone: str

    @classmethod
    def at(cls, instant: datetime, zone: str) -> "AsOf":
        """As of the company day an instant falls on; raises ValueError for an instant without a time zone."""
        if instant.tzinfo is None:
            raise ValueError("the instant of an as-of needs a time zone")
        return cls(instant.astimezone(zones.zone(zone)).date(), zone)

    @property
    def start(self) -> datetime:
        """The first instant of the day, in UTC."""
        return Window.of(self.day).instants(self.zone)[0]

    @property
    def end(self) -> datetime:
        """The first instant of the next day, in UTC: from it on nothing counts."""
        return Window.of(self.day).instants(self.zone)[1]

    def back(self, days: int) -> date:
        """The company day that many days before the day."""
        return self.day - timedelta(days=days)
