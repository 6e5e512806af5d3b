"""Attributes on their way into typed columns: what kind a value is, and whether a column can hold it. Knows no database."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

TEXT, INTEGER, NUMBER, BOOLEAN, DATE = KINDS = ("text", "integer", "number", "boolean", "date")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_LARGEST: Final = 2**63
# What a column can hold beside its own kind.
_HOLDS: Final = {TEXT: set(KINDS), NUMBER: {NUMBER, INTEGER}}


def kind_of(value: Any) -> str:
    """A list or an object is the text of its JSON."""
    match value:
        case bool():
            return BOOLEAN
        case int():
            return INTEGER if -_LARGEST <= value < _LARGEST else NUMBER
        case float():
            return NUMBER
        case str() if _DAY.fullmatch(value) and _as_day(value):
            return DATE
    return TEXT


def kinds_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Attribute → the kinds of its values; those that are null everywhere are left out."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                found.setdefault(name, set()).add(kind_of(value))
    return found


def common(kinds: set[str]) -> str | None:
    """The kind of column that is made for values of these; None: their kinds have nothing in common."""
    if kinds <= {TEXT, DATE} and len(kinds) > 1:
        return TEXT
    mixed = kinds - {TEXT} if len(kinds) > 1 else kinds
    return next((kind for kind in mixed if fits(kinds, kind)), None)


def fits(kinds: set[str], column: str) -> bool:
    """A column of one kind holds values of these."""
    return kinds <= _HOLDS.get(column, {column})


def as_held(value: Any, column: str) -> Any:
    """A value that fits, as its column takes it."""
    if value is None or (column not in {TEXT, DATE}):
        return value
    if column == DATE:
        return _as_day(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # No character of a text for PostgreSQL; everywhere alike.
    return text.replace("\x00", "\ufffd")


def _as_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
