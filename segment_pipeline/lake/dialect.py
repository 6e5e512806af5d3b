"""SQL as text, made safe: identifiers are quoted here, values are bound here. What may stand in it is `constructs`' business.

Statements are written in DuckDB's dialect.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from segment_pipeline.errors import ContractError

Value = None | bool | int | float | str | Decimal | date | datetime | Sequence["Value"]

# A parameter, or what a `$` in it is none of: a text, a quoted name, a comment.
_PARAMETER: Final = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$([A-Za-z_][A-Za-z0-9_]*)""", re.DOTALL
)


def quote(identifier: str) -> str:
    """A table or column name as a quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def decimal_of(value: Decimal) -> str:
    """The type of a number as wide as it is written: beside a wider one Spark drops digits of what it is compared with."""
    scale = max(0, -int(value.as_tuple().exponent))
    return f"DECIMAL({max(value.adjusted() + 1, 1) + scale},{scale})"


def literal(value: Value) -> str:  # noqa: C901 - one case per kind of value
    """A Python value as a SQL literal. Raises ContractError for types and numbers that have none."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise ContractError("a value bound into SQL is not a finite number: pass None for unknown")
            return f"CAST({value!r} AS DOUBLE)"
        case Decimal():
            return f"CAST('{value:f}' AS {decimal_of(value)})"
        case str():
            if "\x00" in value:
                raise ContractError("a value bound into SQL holds a NUL character: clean the input")
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            if value.tzinfo is None:
                return f"TIMESTAMP '{value.isoformat(' ', 'microseconds')}'"
            return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(' ', 'microseconds')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case Sequence():
            return "[" + ", ".join(literal(item) for item in value) + "]"
    raise ContractError(f"a value of type {type(value).__name__} cannot be bound into SQL")


@lru_cache(maxsize=1024)
def _parameters(text: str) -> tuple[tuple[int, int, str], ...]:
    if "$" not in text:
        # Statements made by code bind nothing, and are long.
        return ()
    return tuple((found.start(), found.end(), found[1]) for found in _PARAMETER.finditer(text) if found[1])


def bind(text: str, values: Mapping[str, Value], *, name: str = "statement") -> str:
    """`text` with each `$parameter` replaced by its literal.

    Raises ContractError when a parameter has no value or a value no parameter.
    """
    wanted = _parameters(text)
    missing = {parameter for _, _, parameter in wanted} - values.keys()
    surplus = values.keys() - {parameter for _, _, parameter in wanted}
    if missing or surplus:
        raise ContractError(
            f"{name}: parameters without a value {sorted(missing)}, values without a parameter {sorted(surplus)}"
        )
    parts, at = [], 0
    for start, end, parameter in wanted:
        parts += [text[at:start], literal(values[parameter])]
        at = end
    return "".join([*parts, text[at:]])
