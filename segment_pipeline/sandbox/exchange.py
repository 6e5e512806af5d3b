"""What a vendor module reads from one request: its body, and whether some of its rows are to be refused.

The app reads every body before routing, so that an endpoint may be a plain function run in a thread.
"""

import json
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

BODY = "sandbox.body"
ROW_ERRORS = "sandbox.row_errors"


@dataclass(frozen=True, slots=True)
class RowErrors:
    """The `row_errors` fault on this request: every `every`-th row, counted from the first, is to be refused."""

    every: int

    def picks(self, position: int) -> bool:
        return position % self.every == 0


def body(request: Request) -> bytes:
    """The request's whole body."""
    content: bytes = request.scope.get(BODY, b"")
    return content


def json_body(request: Request) -> Any:
    """The body as JSON; None when there is none. Raises ValueError when it is not JSON."""
    content = body(request)
    return json.loads(content) if content else None


def row_errors(request: Request) -> RowErrors | None:
    """The fault that applies to the rows of this request, if one is on."""
    fault: RowErrors | None = request.scope.get(ROW_ERRORS)
    return fault
