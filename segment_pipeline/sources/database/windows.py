"""The rows of a window, by a cursor of whatever type it is: what SQL cannot tell is read, so that landing tells it by the typed value."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from segment_pipeline import zones
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.landing.tabular import Time

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

ISO_DAY = "____-__-__%"
DAY = timedelta(days=1)
# Of no window: `infinity`, zero dates and the like, which are read each time, so that they are quarantined and not passed over.
BOUNDS = ((1, 1, 2), (9999, 12, 30))
TWO_DIGITS = [f"{n:02d}" for n in range(100)]
# In a leap year there are all.
MONTH_DAYS = [f"{date(2000, 1, 1) + n * DAY:%m-%d}" for n in range(366)]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The column windows are cut by. `declared`: the type the mapping gives it, if any; `newest`: a value of it, which tells its own."""

    name: str
    declared: object
    newest: Any

    @property
    def unordered(self) -> bool:
        """Whether it is text that nobody can put in order before it is read."""
        return isinstance(self.newest, str) and isinstance(self.declared, Time) and bool(self.declared.formats)


def within(where: str, by: Cursor, window: Window, timezone: str) -> sa.ColumnElement[bool]:
    """The rows of a window, and those whose cursor is NULL or a day that nothing here holds; all rows by an unordered cursor.

    Raises ConfigError for a cursor that holds no times.
    """
    cursor: sa.ColumnElement[Any] = sa.column(by.name)
    zone = zones.zone((by.declared.zone if isinstance(by.declared, Time) else "") or timezone)
    start, end = window.instants(timezone)
    first: Any
    last: Any
    match by.newest:
        case None:
            return cursor.is_(None)
        case datetime():
            first, last = (start, end) if by.newest.tzinfo else (_wall(start, zone), _wall(end, zone))
        case date():
            first, last = window.first, window.last + DAY
        case str():
            return sa.true() if by.unordered else _texts(cursor, start, end, zone)
        case _:
            raise ConfigError(
                f"{where}: its cursor {by.name} holds {type(by.newest).__name__}, and days are cut by times: name a"
                " column that says when a row was changed as `updated`"
            )
    earliest, latest = (first.replace(year=y, month=m, day=d) for y, m, d in BOUNDS)
    return sa.or_(sa.and_(cursor >= first, cursor < last), cursor.is_(None), cursor < earliest, cursor >= latest)


def _texts(cursor: sa.ColumnElement[Any], start: datetime, end: datetime, zone: "ZoneInfo") -> sa.ColumnElement[bool]:
    """Texts of the window's days, and one on either side for offsets they may be written with; and all that begin with no day,
    or one that nothing here holds.

    ISO times are written with a blank or a T, an offset or none, in one column even: only those of one form are in the order of texts.
    """
    first, last = start.astimezone(UTC).date() - DAY, end.astimezone(UTC).date() + DAY
    dated = sa.and_(cursor >= first.isoformat(), cursor < (last + DAY).isoformat())
    for between in (" ", "T"):
        since, until = (_wall(each, zone).isoformat(between, "seconds") for each in (start, end))
        other = cursor.not_like(f"____-__-__{between}__:__:__")
        dated = sa.and_(dated, sa.or_(other, sa.and_(cursor >= since, cursor < until)))
    earliest, latest = (date(*bound).isoformat() for bound in BOUNDS)
    beyond = sa.or_(cursor < earliest, cursor >= latest)
    return sa.or_(dated, cursor.not_like(ISO_DAY), beyond, sa.not_(_in_the_calendar(cursor)), cursor.is_(None))


def _in_the_calendar(cursor: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether a text that begins as ISO days do begins with a day there is."""
    century, year, day = (sa.func.substring(cursor, *place) for place in ((1, 2), (3, 2), (6, 5)))
    leap = sa.and_(sa.or_(year != "00", century.in_(TWO_DIGITS[::4])), year.in_(TWO_DIGITS[::4]))
    numbered = sa.and_(century.in_(TWO_DIGITS), year.in_(TWO_DIGITS), day.in_(MONTH_DAYS))
    return sa.and_(numbered, sa.or_(day != "02-29", leap))


def _wall(instant: datetime, zone: "ZoneInfo") -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)
