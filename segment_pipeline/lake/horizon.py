"""The days and times the lake can hold, decided once for what reads values and for what writes them.

Parsers take more: year 0, year 19850, infinity. One such value would stop all others of its write, since Arrow, Delta's log and
Spark end with the years 1 and 9999.
"""

from typing import Final

DAYS: Final = ("0001-01-01", "9999-12-31")
# Instants that have a day in every time zone.
INSTANTS: Final = ("0001-01-02", "9999-12-30")


def within(value: str, kind: str, bounds: tuple[str, str] = DAYS) -> str:
    """SQL for a value of type DATE, TIMESTAMP or TIMESTAMPTZ; NULL where the lake cannot hold it."""
    first, last = (f"CAST('{bound}' AS {kind})" for bound in bounds)
    return f"CASE WHEN {value} BETWEEN {first} AND {last} THEN {value} END"
