"""Noons of 2017, by the number of days since its first."""

from datetime import datetime, timedelta

FIRST = datetime(2017, 1, 1, 12)


def noon(day: int) -> str:
    return (FIRST + timedelta(days=day)).isoformat()


def days_after(at: str) -> int:
    return (datetime.fromisoformat(at) - FIRST).days
