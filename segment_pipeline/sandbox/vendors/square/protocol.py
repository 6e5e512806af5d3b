"""Square's conventions that all its endpoints share: the error envelope, page sizes, time ranges and cursors."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from segment_pipeline.sandbox import exchange
from segment_pipeline.sandbox.listing import Condition, Record, instant_of, seal, stamp, unseal


class SquareError(Exception):
    """An answer in Square's error envelope."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        status: int = 400,
        category: str = "INVALID_REQUEST_ERROR",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error = {"category": category, "code": code, "detail": detail} | ({"field": field} if field else {})

    def response(self) -> JSONResponse:
        return JSONResponse({"errors": [self.error]}, status_code=self.status)


def time_range(expression: str, bounds: Mapping[str, Any], where: str) -> list[Condition]:
    start, end = bounds.get("start_at"), bounds.get("end_at")
    first = instant(start, f"{where}.start_at") if start else None
    last = instant(end, f"{where}.end_at") if end else None
    if first and last and first > last:
        raise SquareError("INVALID_TIME_RANGE", "The start is after the end.", field=where)
    conditions = [Condition(f"{expression} >= ?", (first,))] if first else []
    return conditions + ([Condition(f"{expression} <= ?", (last,))] if last else [])


def instant(value: object, field: str) -> str:
    try:
        moment: datetime = instant_of(str(value))
    except ValueError:
        raise SquareError("INVALID_TIME", "The value is not an RFC 3339 timestamp.", field=field) from None
    return stamp(moment)


def in_descending_order(order: str | None, *, default: str) -> bool:
    if order not in (None, "ASC", "DESC"):
        raise SquareError("INVALID_SORT_ORDER", "The sort order is not valid.", field="query.sort")
    return (order or default) == "DESC"


def page_size(asked: object, *, default: int, most: int) -> int:
    if asked is None:
        return default
    if not isinstance(asked, int) or isinstance(asked, bool):
        raise SquareError("EXPECTED_INTEGER", "Expected an integer value.", field="limit")
    if asked < 1:
        raise SquareError("VALUE_TOO_LOW", "`limit` must be 1 or more.", field="limit")
    if asked > most:
        raise SquareError("VALUE_TOO_HIGH", f"`limit` must not be greater than {most}.", field="limit")
    return asked


def integer(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    if not text.lstrip("-").isdigit():
        raise SquareError("EXPECTED_INTEGER", "Expected an integer value.", field=field)
    return int(text)


def asked_object(request: Request) -> dict[str, Any]:
    try:
        asked = exchange.json_body(request)
    except ValueError:
        raise SquareError("EXPECTED_JSON_BODY", "The request body is not JSON.") from None
    if not isinstance(asked, dict | None):
        raise SquareError("EXPECTED_OBJECT", "Expected an object.")
    return asked or {}


def digest_of(*query: object) -> str:
    return hashlib.sha256(json.dumps(query, sort_keys=True, default=str).encode()).hexdigest()[:16]


def opened(cursor: str | None, digest: str) -> tuple[tuple[str, str] | None, list[object]]:
    if not cursor:
        return None, []
    try:
        made_for, position, key, *extra = unseal(cursor)
    except ValueError:
        raise SquareError("INVALID_CURSOR", "The pagination cursor is invalid.", field="cursor") from None
    if made_for != digest:
        detail = "The cursor was made for another query: use the original query with it."
        raise SquareError("INVALID_CURSOR", detail, field="cursor")
    return (str(position), str(key)), extra


def cursor_tail(found: Sequence[Record], digest: str, *extra: str, more: bool) -> bytes:
    if not more:
        return b"}"
    last = found[-1]
    return b',"cursor":"' + seal(digest, last.position, last.key, *extra).encode() + b'"}'


def json_answer(*parts: bytes) -> Response:
    return Response(b"".join(parts), media_type="application/json")
