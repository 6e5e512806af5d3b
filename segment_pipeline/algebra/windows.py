"""Which company days a window stands for as of a day, as spans that do not overlap: the only place that knows calendars."""

import warnings
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from segment_pipeline.algebra.parts import Activities, Dates, Ended, Holidays, Hours, Period, Test, Unit
from segment_pipeline.days import AsOf

if TYPE_CHECKING:
    import holidays

Span = tuple[date, date]

EVER: Final = date(1, 1, 1)
# How far back holidays are looked for; facts are not older.
YEARS_OF_HOLIDAYS: Final = 30
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}


def spans(of: Activities, as_of: AsOf) -> tuple[Span, ...]:
    """The days a choice is among: pairs of first and last, in order, apart from one another, none after as_of."""
    day = as_of.day
    if of.window is None:
        return ((_back(day, of.within - 1) if of.within is not None else EVER, day),)
    match of.window:
        case Ended(days, ago):
            found = [(_back(day, ago + days - 1), _back(day, ago))]
        case Hours(hours):
            found = [(AsOf.at(as_of.end - timedelta(hours=hours), as_of.zone).day, day)]
        case Dates(first, last):
            found = [(first, last)]
        case Period(unit, back):
            found = [_period(day, unit, back)]
        case Holidays(country, name, before):
            found = [_around(held, before) for held in holidays_of(country, name, day)]
    return tuple(_apart((first, min(last, day)) for first, last in found if first <= day))


def first_day(of: Activities, as_of: AsOf) -> date:
    """The first day of a choice's window; the day itself where it has none up to as_of."""
    return min((first for first, _ in spans(of, as_of)), default=as_of.day)


def tests(of: Activities, as_of: AsOf) -> tuple[Test, ...]:
    """What a choice asks of each activity, the instant a window of hours begins at included."""
    if isinstance(of.window, Hours):
        since = as_of.end - timedelta(hours=of.window.hours)
        return (*of.tests, Test("occurred_at", ">=", (since.isoformat(),)))
    return of.tests


@lru_cache(maxsize=64)
def holidays_of(country: str, name: str | None, day: date) -> tuple[date, ...]:
    """A country's public holidays, or its days of one name, in the years up to a day's and the next, whose eve may be before it."""
    years = range(day.year - YEARS_OF_HOLIDAYS, day.year + 2)
    known = _calendar(country, years, public=name is None)
    return tuple(sorted(held for held in known if name is None or name in known.get_list(held)))


@lru_cache(maxsize=64)
def holiday_names(country: str) -> frozenset[str]:
    """What the days of a country's calendar are called, in English where the library has it; none: it does not know the country."""
    try:
        known = _calendar(country, range(2000, 2031), public=False)
    except NotImplementedError:
        return frozenset()
    return frozenset(name for held in known for name in known.get_list(held))


def _calendar(country: str, years: range, *, public: bool) -> "holidays.HolidayBase":
    # Imported where a rule asks for it: no other run is to wait for every country's calendar.
    import holidays

    with warnings.catch_warnings():
        # Of countries whose calendar is not known for each of these years the library warns whoever runs a command.
        warnings.simplefilter("ignore", UserWarning)
        known = holidays.country_holidays(country, language="en_US")
        return holidays.country_holidays(
            country, years=years, language="en_US", categories=None if public else known.supported_categories
        )


def _around(held: date, before: int) -> Span:
    # The days before a holiday do not hold it; without any it is the holiday itself that is meant.
    return (_back(held, before), _back(held, 1)) if before else (held, held)


def _period(day: date, unit: Unit, back: int) -> Span:
    if unit == "week":
        monday = day - timedelta(days=day.weekday() + 7 * back)
        return monday, monday + timedelta(days=6)
    length = _MONTHS[unit]
    months = (day.year * 12 + day.month - 1) // length * length - back * length
    after = months + length
    return _month(months), _month(after) - timedelta(days=1)


def _month(months: int) -> date:
    return date(months // 12, months % 12 + 1, 1)


def _back(day: date, days: int) -> date:
    return date.fromordinal(max(1, day.toordinal() - days))


def _apart(found: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + timedelta(days=1):
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
