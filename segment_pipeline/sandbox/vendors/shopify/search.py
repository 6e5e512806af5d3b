"""Shopify's search syntax, the part of it that filters by field: `updated_at:>='2026-11-20T00:00:00Z' status:open`.

Terms are joined by AND. A field the resource does not have is ignored and named in a warning, as the vendor does: such a
query returns more than was meant, not less. OR, NOT, brackets and words without a field are refused: the sandbox lacks them.
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


class SearchError(Exception):
    """A query text the sandbox cannot read."""


class Clock(NamedTuple):
    """What a written time depends on: the shop's zone and the instant that `now` stands for."""

    zone: tzinfo
    now: datetime


Term = Callable[[str, str, Clock], Condition]


def parse(text: str, fields: Mapping[str, Term], clock: Clock) -> tuple[list[Condition], list[str]]:
    """The conditions of a search text and the fields that were ignored. Raises SearchError."""
    conditions: list[Condition] = []
    ignored: list[str] = []
    position = 0
    while text[position:].strip():
        found = TERM.match(text, position)
        if found is None or found["name"].upper() in ("OR", "NOT"):
            raise SearchError("the sandbox reads search terms of the form field:value joined by AND")
        position = found.end()
        term = fields.get(found["name"])
        if term is None:
            ignored.append(found["name"])
        else:
            conditions.append(term(found["comparator"] or "", found["value"].strip("'\""), clock))
    return conditions, ignored


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


def number(expression: str) -> Term:
    """Compares a whole number; the tail of a `gid://` counts as one."""

    def term(comparator: str, value: str, _: Clock) -> Condition:
        tail = value.rsplit("/", 1)[-1]
        if not tail.isdigit():
            raise SearchError("a search by id needs a number")
        return Condition(f"CAST({expression} AS INTEGER) {comparator or '='} ?", (int(tail),))

    return term


def texts(**paths: str) -> dict[str, Term]:
    """Each equal to the text at its path, in any case; `*`: present."""

    def term(expression: str, value: str) -> Condition:
        present = Condition(f"{expression} IS NOT NULL")
        return present if value == "*" else Condition(f"lower({expression}) = lower(?)", (value,))

    def at(path: str) -> Term:
        return lambda _comparator, value, _: term(f"json_extract(body, '$.{path}')", value)

    return {name: at(path) for name, path in paths.items()}


def choice(conditions: Mapping[str, str]) -> Term:
    """One of named conditions. A name that is not there matches nothing."""
    return lambda _comparator, value, _: Condition(f"({conditions.get(value.lower(), '0')})")


_CANCELLED = "json_extract(body, '$.cancelledAt') IS NOT NULL"
_CLOSED = "json_extract(body, '$.closedAt') IS NOT NULL"
_RECOVERED = "json_extract(body, '$.completedAt') IS NOT NULL"

_DATED: Mapping[str, Term] = {"updated_at": time("updated_at"), "created_at": time("created_at"), "id": number("key")}
FIELDS: Mapping[str, Mapping[str, Term]] = {
    "orders": {
        **_DATED,
        **texts(name="name", email="email", financial_status="displayFinancialStatus", source_name="sourceName"),
        "processed_at": time(PROCESSED_AT),
        "customer_id": number("replace(json_extract(body, '$.customer.id'), 'gid://shopify/Customer/', '')"),
        "test": choice({"true": "json_extract(body, '$.test')", "false": "NOT json_extract(body, '$.test')"}),
        "status": choice(
            {
                "open": f"NOT ({_CLOSED}) AND NOT ({_CANCELLED})",
                "closed": _CLOSED,
                "cancelled": _CANCELLED,
                "not_closed": f"NOT ({_CLOSED})",
                "any": "1",
            }
        ),
    },
    "customers": {
        **texts(email="defaultEmailAddress.emailAddress", phone="defaultPhoneNumber.phoneNumber"),
        **texts(first_name="firstName", last_name="lastName", state="state"),
        "updated_at": time("updated_at", whole_days=True),
        "customer_date": time("created_at"),
        "id": number("key"),
    },
    "products": {**_DATED, **texts(product_type="productType", vendor="vendor", status="status", title="title")},
    "abandonedCheckouts": {
        **_DATED,
        "recovery_state": choice({"recovered": _RECOVERED, "not_recovered": f"NOT ({_RECOVERED})"}),
        "status": choice({"closed": _RECOVERED, "open": f"NOT ({_RECOVERED})"}),
    },
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
