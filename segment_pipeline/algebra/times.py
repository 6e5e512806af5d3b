"""The words for when: windows that a choice among activities has, and days counted from as_of."""

from datetime import date
from typing import Any

from segment_pipeline.algebra.arguments import Days, word
from segment_pipeline.algebra.parts import Dates, Ended, Holidays, Hours, Mistake, Period, Unit, Window


def _wrong(mistake: Mistake) -> Any:
    # What takes a window says it.
    return mistake


@word(_wrong)
def days(number: int) -> Days:
    """That many company days, the as-of day included."""
    return Days(number)


@word(_wrong)
def ended(number: Days, *, ago: Days) -> Window:
    """So many company days, the last of which is so many before as_of: `ended(days(30), ago=days(30))` are the 30 before these."""
    return Ended(number, ago)


@word(_wrong)
def hours(number: int) -> Window:
    """The last so many hours of the as-of day."""
    return Hours(number)


@word(_wrong)
def dates(first: date, last: date) -> Window:
    """From one company day to another, both included."""
    return Dates(first, last)


@word(_wrong)
def period(unit: Unit, *, back: int = 0) -> Window:
    """The calendar week (from Monday), month, quarter or year of as_of, up to it; `back=1`: the whole one before."""
    return Period(unit, back)


@word(_wrong)
def holidays(country: str, name: str | None = None, *, before: int = 0) -> Window:
    """Public holidays of a country (`"US"`), or its days of one name, of any year; `before=14`: the 14 days before each."""
    return Holidays(country, name, before)
