"""The rows of a workbook's sheet as text, and what openpyxl raises of one that is not whole as ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any

from segment_pipeline.errors import ContractError


def text_of(value: Any) -> str | None:
    """A cell as text, as somebody would write it; None: it is empty."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case _:
            return str(value)


@contextmanager
def readable() -> Iterator[None]:
    """Raises ContractError for whatever openpyxl raises."""
    try:
        yield
    except Exception:  # noqa: BLE001 - openpyxl raises whatever it meets in a workbook that is not whole, or odd
        raise ContractError("it cannot be read as an .xlsx workbook: is it complete? Save it anew in Excel") from None


def rows(sheet: Any) -> Iterator[Sequence[Any]]:
    """The cells of each row, as openpyxl has them."""
    with readable():
        given = sheet.iter_rows(values_only=True)
    while True:
        with readable():
            row = next(given, None)
        if row is None:
            return
        yield row


def trimmed(row: list[str | None]) -> list[str | None]:
    """A row without the empty cells at its end."""
    width = next(place for place in range(len(row), 0, -1) if (row[place - 1] or "").strip())
    return row[:width]
