"""Shopify's search syntax, the part of it that filters by time and id: `updated_at:>='2026-11-20T00:00:00Z' id:<=1234`.

Terms are joined by AND. Other fields, OR, NOT, brackets and words without a field are refused: the sandbox lacks them.
The vendor ignores a field the resource does not have: such a query returns more than was meant, not less.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

from segment_pipeline.sandbox.listing import Condition, instant_of, stamp

TERM = re.compile(
    r"""\s*(?:AND\s+)?(?P<name>[A-Za-z_][\w.]*):\s*(?P<comparator><=|>=|<|>)?\s*(?P<value>"[^"]*"|'[^']*'|[^\s()]+)"""
)
PROCESSED_AT = "strftime('%Y-%m-%dT%H:%M:%f000Z', json_extract(body, '$.processedAt'))"
# Ids as text that sorts like the numbers they are.
NUMBER = "printf('%020d', CAST(key AS INTEGER))"


class SearchError(Exception):
    """A query text the sandbox cannot read."""


class Clock(NamedTuple):
    """What a written time depends on: the shop's zone and the instant that `now` stands for."""

    zone: tzinfo
    now: datetime


Term = Callable[[str, str, Clock], Condition]


def parse(text: str, fields: Mapping[str, Term], clock: Clock) -> list[Condition]:
    """The conditions of a search text. Raises SearchError."""
    conditions: list[Condition] = []
    position = 0
    while text[position:].strip():
        found = TERM.match(text, position)
        if found is None or found["name"] not in fields:
            raise SearchError("the sandbox reads search terms of the form field:value, by time or id, joined by AND")
        position = found.end()
        conditions.append(fields[found["name"]](found["comparator"] or "", found["value"].strip("'\""), clock))
    return conditions


def time(expression: str, *, whole_days: bool = False) -> Term:
    """Compares an instant; `whole_days`: the written time stands for its whole day in the shop's zone."""

    def term(comparator: str, value: str, clock: Clock) -> Condition:
        start, end = _span(value, clock)
        if whole_days:
            start = start.astimezone(clock.zone).replace(hour=0, minute=0, second=0, microsecond=0)
            end = max(end, start + timedelta(days=1))
        first, last = stamp(start), stamp(end)
        if comparator == "":
            operator = "<=" if first == last else "<"
            return Condition(f"{expression} >= ? AND {expression} {operator} ?", (first, last))
        if comparator in ("<", ">=") or first == last:
            return Condition(f"{expression} {comparator} ?", (first,))
        return Condition(f"{expression} {'<' if comparator == '<=' else '>='} ?", (last,))

    return term


def number(comparator: str, value: str, _: Clock) -> Condition:
    """Compares the id without its type."""
    if not value.isdigit():
        raise SearchError("a search term holds an id that is not a number")
    return Condition(f"{NUMBER} {comparator or '='} ?", (value.rjust(20, "0"),))


_DATED: Mapping[str, Term] = {"updated_at": time("updated_at"), "created_at": time("created_at"), "id": number}
FIELDS: Mapping[str, Mapping[str, Term]] = {
    "orders": {**_DATED, "processed_at": time(PROCESSED_AT)},
    "customers": {"updated_at": time("updated_at", whole_days=True), "customer_date": time("created_at"), "id": number},
    "products": _DATED,
    "abandonedCheckouts": _DATED,
}


def _span(value: str, clock: Clock) -> tuple[datetime, datetime]:
    """The year, month or day that is written, up to the next one; one instant twice for anything more exact."""
    if value == "now":
        return clock.now, clock.now
    try:
        if not re.fullmatch(r"\d{4}(-\d{2}){0,2}", value):
            instant = instant_of(value, clock.zone)
            return instant, instant
        year, month, day = ([int(part) for part in value.split("-")] + [0, 0])[:3]
        start = datetime(year, month or 1, day or 1, tzinfo=clock.zone)
        if day:
            return start, start + timedelta(days=1)
        later = start.replace(year=year + 1) if month in (0, 12) else start.replace(month=month + 1)
        return start, later.replace(month=1) if month == 12 else later
    except ValueError:
        raise SearchError("a search term holds a time that is not ISO 8601") from None
