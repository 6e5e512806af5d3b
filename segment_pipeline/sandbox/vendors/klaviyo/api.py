"""How Klaviyo's API looks from outside: JSON:API errors, the key and the revision, limits, filters and cursors.

Knows nothing of profiles and lists.
"""

import base64
import json
import re
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from segment_pipeline import clock
from segment_pipeline.sandbox.exchange import json_body

KEY = "pk_sandbox"
NEWEST_REVISION = "2026-10-15"
OLDEST_REVISION = "2024-10-15"
MEDIA_TYPE = "application/vnd.api+json"
TIERS = {"XS": (1, 15), "S": (3, 60), "M": (10, 150), "L": (75, 750), "XL": (350, 3500)}
CALL = re.compile(r"^\s*(equals|any)\(\s*(\w+)\s*,\s*(.+)\)\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of `errors`."""

    code: str
    title: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None
    meta: Mapping[str, Any] | None = None


class KlaviyoError(Exception):
    """An answer with `errors`; the first problem is the exception's message."""

    def __init__(self, status: int, *problems: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problems[0].detail)
        self.status = status
        self.problems = problems
        self.headers = headers

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The error's own headers replace the given ones: a 429 has Retry-After and no RateLimit-*."""
        errors = [_shown(problem, self.status) for problem in self.problems]
        return JSONResponse(
            {"errors": errors}, self.status, headers=dict(self.headers or headers or {}), media_type=MEDIA_TYPE
        )


def _shown(problem: Problem, status: int) -> dict[str, Any]:
    source = {"pointer": problem.pointer or "/data"}
    if problem.parameter is not None:
        source = {"parameter": problem.parameter}
    return {
        "id": str(uuid.uuid4()),
        "status": status,
        "code": problem.code,
        "title": problem.title,
        "detail": problem.detail,
        "source": source,
        "links": {},
        "meta": dict(problem.meta or {}),
    }


def invalid(detail: str, *, pointer: str | None = None, parameter: str | None = None) -> KlaviyoError:
    return KlaviyoError(400, Problem("invalid", "Invalid input.", detail, pointer, parameter))


def not_found(what: str, *, pointer: str | None = None) -> KlaviyoError:
    return KlaviyoError(404, Problem("not_found", "Not found.", f"A {what} with this id does not exist.", pointer))


def throttled(seconds: int) -> KlaviyoError:
    problem = Problem("throttled", "Request was throttled.", f"Expected available in {seconds} second(s).")
    return KlaviyoError(429, problem, headers={"Retry-After": str(seconds)})


def unauthorized(detail: str) -> KlaviyoError:
    return KlaviyoError(401, Problem("not_authenticated", "Authentication credentials were not provided.", detail))


def retired() -> KlaviyoError:
    return KlaviyoError(410, Problem("gone", "API Retired", "This revision of the API has been retired."))


def authorize(request: Request) -> None:
    """Raises KlaviyoError: 401 for the key, 400 for a missing or unknown revision, 410 for a retired one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Klaviyo-API-Key":
        raise unauthorized("Missing or invalid authorization scheme or token.")
    if key != KEY:
        raise KlaviyoError(
            401, Problem("authentication_failed", "Incorrect authentication credentials.", "Invalid API key.")
        )
    revision = request.headers.get("revision")
    if revision is None:
        raise invalid("The revision header is required.", pointer="/headers/revision")
    try:
        date.fromisoformat(revision)
    except ValueError:
        raise invalid("The revision header must be a valid revision.", pointer="/headers/revision") from None
    if revision < OLDEST_REVISION:
        raise retired()
    if revision > NEWEST_REVISION:
        raise invalid("The revision header must be a valid revision.", pointer="/headers/revision")


def document(request: Request) -> dict[str, Any]:
    """The body's `data` object. Raises KlaviyoError 400 when there is none."""
    try:
        content = json_body(request)
    except ValueError:
        raise invalid("The body is not valid JSON.", pointer="/") from None
    if not isinstance(content, dict) or not isinstance(content.get("data"), dict):
        raise invalid("'data' is a required field.", pointer="/data")
    data: dict[str, Any] = content["data"]
    return data


def attributes(data: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The attributes of a resource of that type. Raises KlaviyoError 400 when it is another one."""
    if data.get("type") != kind:
        raise invalid(f"'type' must be '{kind}'.", pointer="/data/type")
    found = data.get("attributes")
    if not isinstance(found, dict):
        raise invalid("'attributes' is a required field.", pointer="/data/attributes")
    return found


def parse_filter(text: str | None, fields: Sequence[str]) -> tuple[str, list[str]] | None:
    """One `equals(field,"value")` or `any(field,["value",…])` as (field, values); None when there is no filter."""
    if not text:
        return None
    call = CALL.match(text)
    if call is None or call[2] not in fields:
        raise invalid("The filter is not one this endpoint takes.", parameter="filter")
    try:
        value = json.loads(call[3])
    except ValueError:
        raise invalid("The filter's value is not a JSON literal.", parameter="filter") from None
    if (call[1] == "any") != isinstance(value, list):
        raise invalid("The filter's value does not suit its operator.", parameter="filter")
    values = value if isinstance(value, list) else [value]
    if len(values) > 100:
        raise invalid("The filter takes at most 100 values.", parameter="filter")
    return call[2], [str(item) for item in values]


def page_size(request: Request, *, default: int = 20, largest: int = 100) -> int:
    text = request.query_params.get("page[size]")
    if text is None:
        return default
    if not text.isdigit() or not 1 <= int(text) <= largest:
        raise invalid(f"page[size] must be from 1 to {largest}.", parameter="page[size]")
    return int(text)


def cursor(request: Request) -> int:
    """The number after which the page starts; 0 for the first."""
    text = request.query_params.get("page[cursor]")
    if text is None:
        return 0
    # Klaviyo's own SDK leaves the equals sign of its link in front of the cursor.
    text = text.strip("=")
    try:
        return int(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise invalid("Invalid cursor.", parameter="page[cursor]") from None


def page(request: Request, items: Sequence[dict[str, Any]], last: int | None) -> dict[str, Any]:
    """A collection; `last` is the number of its last item when there is more, else None."""
    here = str(request.url)
    following = None
    if last is not None:
        token = base64.urlsafe_b64encode(str(last).encode()).decode().rstrip("=")
        following = str(request.url.include_query_params(**{"page[cursor]": token}))
    return {"data": list(items), "links": {"self": here, "next": following, "prev": None}}


class Limits:
    """Fixed windows of one second and one minute per endpoint, in real time.

    Real time, because the sandbox's clock may stand still. `factor` multiplies both of the tier's numbers.
    """

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._calls: dict[str, deque[float]] = {}

    def spend(self, endpoint: str, tier: str, factor: int) -> dict[str, str]:
        """The RateLimit-* headers of the answer. Raises KlaviyoError 429 when a window is full."""
        burst, steady = (limit * factor for limit in TIERS[tier])
        now = self._monotonic()
        calls = self._calls.setdefault(endpoint, deque())
        while calls and calls[0] <= now - 60:
            calls.popleft()
        in_second = _since(calls, now - 1)
        if in_second >= burst:
            raise throttled(1)
        if len(calls) >= steady:
            raise throttled(max(1, round(calls[0] + 60 - now)))
        calls.append(now)
        return {
            "RateLimit-Limit": f"{burst}, {burst};w=1, {steady};w=60",
            "RateLimit-Remaining": str(min(burst - in_second, steady - len(calls) + 1) - 1),
            "RateLimit-Reset": "1",
        }


def _since(calls: deque[float], start: float) -> int:
    """How many of the calls, newest last, are after `start`."""
    count = 0
    for instant in reversed(calls):
        if instant <= start:
            break
        count += 1
    return count
