"""What a vendor module reads from one request (its body, whether some of its rows are to be refused), and how it refuses one.

The app reads every body before routing, so that an endpoint may be a plain function run in a thread.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

BODY = "sandbox.body"
ROW_ERRORS = "sandbox.row_errors"


@dataclass(frozen=True, slots=True)
class RowErrors:
    """The `row_errors` fault on this request: every `every`-th row, counted from the first, is to be refused."""

    every: int

    def picks(self, position: int) -> bool:
        return position % self.every == 0


class Refused(Exception):
    """Ends a call with the vendor's own form of an error. Its headers replace those the answer would have had."""

    def __init__(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.content, self.headers = status, content, headers

    def response(self, headers: Mapping[str, str] | None = None, media_type: str | None = None) -> Response:
        held = self.headers if self.headers is not None else headers
        return JSONResponse(self.content, self.status, dict(held or {}), media_type)


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


def either_slash(path: str, endpoint: Callable[[Request], Response], methods: Iterable[str]) -> list[BaseRoute]:
    """The endpoint with and without a slash at the end, for a vendor that takes both."""
    return [Route(each, endpoint, methods=sorted(methods)) for each in (path, f"{path}/")]
