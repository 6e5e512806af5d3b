"""How Klaviyo's API looks from outside: JSON:API documents and errors, the key and the revision, limits, filters and cursors.

Knows nothing of profiles and lists.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Refused, json_body
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.listing import seal, unseal

KEY = "pk_sandbox"
NEWEST_REVISION, OLDEST_REVISION = "2026-10-15", "2024-10-15"
MEDIA_TYPE = "application/vnd.api+json"
TIERS = {"XS": (1, 15), "S": (3, 60), "M": (10, 150), "L": (75, 750), "XL": (350, 3500)}
CALL = re.compile(r"^\s*(equals|any)\(\s*(\w+)\s*,\s*(.+)\)\s*$", re.DOTALL)

Document = dict[str, Any]


class Problem(NamedTuple):
    """One entry of `errors`."""

    code: str
    title: str
    detail: str
    pointer: str = "/data"
    parameter: str | None = None
    meta: Mapping[str, Any] = {}


def refused(status: int, *problems: Problem, headers: Mapping[str, str] | None = None) -> Refused:
    errors = [
        {
            "id": str(uuid.uuid4()),
            "status": status,
            "code": each.code,
            "title": each.title,
            "detail": each.detail,
            "source": {"parameter": each.parameter} if each.parameter else {"pointer": each.pointer},
            "links": {},
            "meta": dict(each.meta),
        }
        for each in problems
    ]
    return Refused(status, {"errors": errors}, headers)


def invalid(detail: str, pointer: str = "/data", *, parameter: str | None = None) -> Refused:
    return refused(400, Problem("invalid", "Invalid input.", detail, pointer, parameter))


def not_found(what: str) -> Refused:
    return refused(404, Problem("not_found", "Not found.", f"A {what} with this id does not exist."))


def throttled(seconds: int) -> Refused:
    """Has Retry-After in whole seconds, and none of the RateLimit-* headers."""
    problem = Problem("throttled", "Request was throttled.", f"Expected available in {seconds} second(s).")
    return refused(429, problem, headers={"Retry-After": str(seconds)})


def unauthorized(detail: str) -> Refused:
    return refused(401, Problem("not_authenticated", "Authentication credentials were not provided.", detail))


def retired() -> Refused:
    return refused(410, Problem("gone", "API Retired", "This revision of the API has been retired."))


def authorize(request: Request) -> None:
    """Refuses with 401 for the key, 400 for a missing or unknown revision, 410 for a retired one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Klaviyo-API-Key":
        raise unauthorized("Missing or invalid authorization scheme or token.")
    if key != KEY:
        title = "Incorrect authentication credentials."
        raise refused(401, Problem("authentication_failed", title, "Invalid API key."))
    revision = request.headers.get("revision", "")
    try:
        date.fromisoformat(revision)
    except ValueError:
        raise invalid("The revision header is required, and a valid revision.", "/headers/revision") from None
    if revision < OLDEST_REVISION:
        raise retired()
    if revision > NEWEST_REVISION:
        raise invalid("The revision header must be a valid revision.", "/headers/revision")


def spend(windows: Windows, endpoint: str, tier: str, factor: int) -> dict[str, str]:
    """The RateLimit-* headers of the answer. `factor` multiplies both of the tier's numbers."""
    burst, steady = (limit * factor for limit in TIERS[tier])
    try:
        left = windows.spend(endpoint, (burst, 1), (steady, 60))
    except LimitReached as full:
        raise throttled(max(1, round(full.seconds))) from None
    limits = {"RateLimit-Limit": f"{burst}, {burst};w=1, {steady};w=60"}
    return limits | {"RateLimit-Remaining": str(min(left)), "RateLimit-Reset": "1"}


def data_of(request: Request, kind: type = dict) -> Any:
    """The body's `data`: an object, or a list where that is asked for."""
    try:
        content = json_body(request)
    except ValueError:
        raise invalid("The body is not valid JSON.", "/") from None
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, kind):
        raise invalid("'data' is a required field.")
    return data


def attributes(data: Mapping[str, Any], kind: str) -> Document:
    """The attributes of a resource, which must be of that type."""
    if data.get("type") != kind:
        raise invalid(f"'type' must be '{kind}'.", "/data/type")
    found = data.get("attributes")
    if not isinstance(found, dict):
        raise invalid("'attributes' is a required field.", "/data/attributes")
    return found


def related(data: Mapping[str, Any], name: str) -> Any:
    """The `data` of a relationship; None when there is none."""
    return ((data.get("relationships") or {}).get(name) or {}).get("data")


def wanted(request: Request, fields: Sequence[str]) -> tuple[str, list[str]] | None:
    """The filter, one `equals(field,"value")` or `any(field,["value",…])`, as (field, values); None when there is none."""
    text = request.query_params.get("filter")
    if not text:
        return None
    call = CALL.match(text)
    if call is None or call[2] not in fields:
        raise invalid("The filter is not one this endpoint takes.", parameter="filter")
    try:
        value = json.loads(call[3])
    except ValueError:
        raise invalid("The filter's value is not a JSON literal.", parameter="filter") from None
    values = value if isinstance(value, list) else [value]
    if (call[1] == "any") != isinstance(value, list) or len(values) > 100:
        raise invalid("The filter's value does not suit its operator.", parameter="filter")
    return call[2], [str(item) for item in values]


class Page(NamedTuple):
    """What a request asks for: so many items behind the one with this number."""

    request: Request
    after: int
    size: int

    @classmethod
    def asked(cls, request: Request, *, default: int = 20, largest: int = 100) -> "Page":
        size = request.query_params.get("page[size]", str(default))
        if not size.isdigit() or not 1 <= int(size) <= largest:
            raise invalid(f"page[size] must be from 1 to {largest}.", parameter="page[size]")
        # Klaviyo's own SDK leaves the equals sign of its link in front of the cursor.
        cursor = request.query_params.get("page[cursor]", "").strip("=")
        try:
            after = int(str(unseal(cursor)[0])) if cursor else 0
        except ValueError:
            raise invalid("Invalid cursor.", parameter="page[cursor]") from None
        return cls(request, after, int(size))

    def collection(self, found: Sequence[tuple[int, Document]]) -> Document:
        """`found`: numbers with what is shown of them, one more than the page holds when there is a next one."""
        following = None
        if len(found) > self.size:
            cursor = {"page[cursor]": seal(found[self.size - 1][0])}
            following = str(self.request.url.include_query_params(**cursor))
        links = {"self": str(self.request.url), "next": following, "prev": None}
        return {"data": [shown for _, shown in found[: self.size]], "links": links}
