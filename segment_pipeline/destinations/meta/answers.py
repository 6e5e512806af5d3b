"""What Meta's answers say: how many rows came, which of them are invalid, and whether a list goes on. Asks nothing."""

import json
from collections.abc import Mapping
from typing import Any

from segment_pipeline.errors import ContractError


def received(answer: Mapping[str, Any], *, of: str) -> tuple[int, int]:
    """Rows the session has received so far, and how many of them Meta called invalid."""
    told = str(answer.get("num_received", "")), str(answer.get("num_invalid_entries") or 0)
    if not all(number.isdigit() for number in told):
        raise ContractError(f"{of} did not say how many rows it received: the batch may not be applied")
    return int(told[0]), int(told[1])


def samples(answer: Mapping[str, Any]) -> str:
    """The invalid rows it shows, 100 at most, as text."""
    return json.dumps(answer.get("invalid_entry_samples") or [])


def after(page: Mapping[str, Any]) -> str | None:
    """The cursor of the next page of a list; None: there is none. Raises ContractError where it is missing."""
    listing = page.get("paging") or {}
    if not listing.get("next"):
        return None
    cursor = (listing.get("cursors") or {}).get("after")
    if not cursor:
        raise ContractError("a page of Meta's list says there is more but gives no cursor")
    return str(cursor)
