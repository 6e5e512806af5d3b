"""What a vendor module reads from one request (its body, whether some of its rows are to be refused), how it answers and
how it refuses one.

The app reads every body before routing, so that an endpoint may be a plain function run in a thread.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

Asked = TypeVar("Asked")
Answer = tuple[int, Any]
Calls = Mapping[str, Mapping[str, Callable[[Asked], Answer]]]
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


def json_object(request: Request, otherwise: Refused) -> dict[str, Any]:
    """The body as a JSON object; raises `otherwise` where it is anything else."""
    try:
        given = json_body(request)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise otherwise
    return given


def form(request: Request) -> dict[str, tuple[str, bytes]]:
    """The parts of a multipart body by their names, each with the name of its file; none of a body of another kind."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    read = message_from_bytes(head + body(request), policy=policy.HTTP)
    if read.get_content_type() != "multipart/form-data":
        return {}
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename() or "",
            bytes(part.get_payload(decode=True)),
        )
        for part in read.iter_parts()
    }


def row_errors(request: Request) -> RowErrors | None:
    """The fault that applies to the rows of this request, if one is on."""
    fault: RowErrors | None = request.scope.get(ROW_ERRORS)
    return fault


def endpoints(
    calls: Calls[Asked],
    admit: Callable[[Request, str], tuple[Asked, Mapping[str, str]]],
    media_type: str = "application/json",
) -> list[BaseRoute]:
    """The routes of one API: `calls` by path and HTTP method, each path with and without a slash at its end.

    `admit` gets the request and the name of its call (`POST /lists/{id}`), and gives what the call is handed and the headers
    of its answer. Both may raise Refused; a call returns status and document, bytes as they are, None for an empty answer, or a whole
    Response.
    """

    def route(path: str, methods: Mapping[str, Callable[[Asked], Answer]]) -> list[BaseRoute]:
        def answer(request: Request) -> Response:
            headers: Mapping[str, str] = {}
            try:
                asked, headers = admit(request, f"{request.method} {path}")
                status, content = methods[request.method](asked)
            except Refused as error:
                return error.response(headers, media_type)
            if isinstance(content, Response):
                return content
            if content is None:
                return Response(status_code=status, headers=headers)
            if isinstance(content, bytes):
                return Response(content, status, headers, media_type)
            return JSONResponse(content, status, headers, media_type)

        return [Route(each, answer, methods=sorted(methods)) for each in (path, f"{path}/")]

    return [each for path, methods in calls.items() for each in route(path, methods)]
