"""How Klaviyo's API looks from outside: JSON:API documents and errors, the key and the revision, limits, filters and cursors.

Knows nothing of profiles and lists.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Answer, Refused, json_body
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.listing import instant_of, seal
from segment_pipeline.sandbox.lists import behind

T = TypeVar("T")
P = TypeVar("P")
KEY = "pk_sandbox"
NEWEST_REVISION, OLDEST_REVISION = "2026-10-15", "2024-10-15"
MEDIA_TYPE = "application/vnd.api+json"
REVISION = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
CALL = re.compile(r"^\s*(equals|any)\(\s*(\w+)\s*,\s*(.+)\)\s*$", re.DOTALL)
COMPARED = re.compile(r"(greater-than|less-than)\((\w+),([^(),]+)\)")
# By the call's name, each limit per second and per minute; the first that fits.
TIERS = (
    (re.compile("deletion-jobs"), (3, 60)),
    (re.compile("import-jobs|(POST|PATCH|DELETE) /api/lists"), (10, 150)),
    (re.compile(""), (75, 750)),
)

Document = dict[str, Any]


def problem(
    detail: str,
    pointer: str = "/data",
    code: str = "invalid",
    title: str = "Invalid input.",
    status: int = 400,
    **meta: str,
) -> Document:
    """One entry of `errors`; what it points at is a place of the body, or the name of a parameter."""
    source = {"pointer" if pointer[:1] in ("", "/") else "parameter": pointer}
    told = {"id": str(uuid.uuid4()), "status": status, "code": code, "title": title, "detail": detail}
    return {**told, "source": source, "links": {}, "meta": meta}


def under(place: str, wrong: Document) -> Document:
    """A problem of a part of the body that stands at this place."""
    return {**wrong, "source": {"pointer": f"{place}{wrong['source']['pointer']}"}}


def refused(*problems: Document, headers: Mapping[str, str] | None = None) -> Refused:
    return Refused(problems[0]["status"], {"errors": list(problems)}, headers)


def invalid(detail: str, pointer: str = "/data") -> Refused:
    return refused(problem(detail, pointer))


def error(status: int, code: str, title: str, detail: str | None = None) -> Refused:
    return refused(problem(detail or title, code=code, title=title, status=status))


def not_found(what: str) -> Refused:
    return error(404, "not_found", "Not found.", f"A {what} with this id does not exist.")


def throttled(seconds: float) -> Refused:
    """Has Retry-After in whole seconds, and none of the RateLimit-* headers."""
    wait = round(seconds)
    told = problem(f"Expected available in {wait} second(s).", "/data", "throttled", "Request was throttled.", 429)
    return refused(told, headers={"Retry-After": str(wait)})


def unauthorized(detail: str) -> Refused:
    return error(401, "not_authenticated", "Authentication credentials were not provided.", detail)


def retired() -> Refused:
    return error(410, "gone", "API Retired", "This revision of the API has been retired.")


def authorize(request: Request) -> None:
    """Refuses with 401 for the key, 400 for a missing or unknown revision, 410 for a retired one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Klaviyo-API-Key":
        raise unauthorized("Missing or invalid authorization scheme or token.")
    if key != KEY:
        raise error(401, "authentication_failed", "Incorrect authentication credentials.", "Invalid API key.")
    revision = request.headers.get("revision", "")
    if not REVISION.fullmatch(revision) or revision > NEWEST_REVISION:
        raise invalid("The revision header is required, and a valid revision.", "/headers/revision")
    if revision < OLDEST_REVISION:
        raise retired()


def spend(windows: Windows, call: str, factor: int) -> dict[str, str]:
    """The RateLimit-* headers of the answer. `factor` multiplies both of the tier's numbers."""
    burst, steady = next((limits[0] * factor, limits[1] * factor) for names, limits in TIERS if names.search(call))
    try:
        left = windows.spend(call, (burst, 1), (steady, 60))
    except LimitReached as full:
        raise throttled(max(1, full.seconds)) from None
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


def resource(kind: str, identifier: str, shown: Document) -> Document:
    links = {"self": f"https://a.klaviyo.com/api/{kind}s/{identifier}/"}
    return {"type": kind, "id": identifier, "attributes": shown, "links": links}


def batch(sent: Any, most: int, pointer: str) -> list[Any]:
    """The rows of a request, from one to so many."""
    if not isinstance(sent, list) or not 1 <= len(sent) <= most:
        raise invalid(f"From 1 to {most} profiles are taken.", pointer)
    return sent


def wanted(request: Request, fields: Sequence[str]) -> tuple[str, list[str]] | None:
    """The filter, one `equals(field,"value")` or `any(field,["value",…])`, as (field, values); None when there is none."""
    text = request.query_params.get("filter")
    if not text:
        return None
    call = CALL.match(text)
    try:
        value = json.loads(call[3]) if call and call[2] in fields else None
    except ValueError:
        value = None
    values = value if isinstance(value, list) else [value]
    if call is None or value is None or (call[1] == "any") != isinstance(value, list) or len(values) > 100:
        raise invalid("The filter is not one this endpoint takes.", "filter")
    return call[2], [str(item) for item in values]


def compared(request: Request, fields: Sequence[str]) -> list[tuple[str, str, str]]:
    """The filter as comparisons of times, one or several with commas between: (field, `>` or `<`, instant). Empty: it is another."""
    parts = request.query_params.get("filter", "").replace(" ", "").removeprefix("and(")
    found = COMPARED.findall(parts)
    if not found:
        return []
    try:
        told = [(name, ">" if call[0] == "g" else "<", instant_of(at).isoformat()) for call, name, at in found]
    except ValueError:
        told = []
    if not told or parts.count("(") != len(found) or not {name for name, *_ in told} <= set(fields):
        raise invalid("The filter is not one this endpoint takes.", "filter")
    return told


def collection(
    request: Request,
    fetch: Callable[[P, int], Iterable[T]],
    show: Callable[[T], tuple[P, Document]],
    *,
    largest: int = 100,
    at: Callable[[str | None], P] = behind,  # type: ignore[assignment] # of listings by number
) -> Answer:
    """A page of what `fetch` gives behind a place, so many at most; `show`: the place of one, and what is seen of it.

    `at`: the place a cursor stands for.
    """
    size = request.query_params.get("page[size]", str(min(20, largest)))
    if not size.isdigit() or not 1 <= int(size) <= largest:
        raise invalid(f"page[size] must be from 1 to {largest}.", "page[size]")
    try:
        # Klaviyo's own SDK leaves the equals sign of its link in front of the cursor.
        after = at(request.query_params.get("page[cursor]", "").strip("="))
    except ValueError:
        raise invalid("Invalid cursor.", "page[cursor]") from None
    found, following = [show(each) for each in fetch(after, int(size) + 1)], None
    if len(found) > int(size):
        cursor = {"page[cursor]": seal(found[int(size) - 1][0])}
        following = str(request.url.include_query_params(**cursor))
    # The last page has no `next`: the published schema knows no null there.
    links = {"self": str(request.url)} | ({"next": following} if following else {})
    return 200, {"data": [shown for _, shown in found[: int(size)]], "links": links}


def sparse(request: Request, kind: str, shown: Document) -> Document:
    """The attributes that `fields[kind]` asks for, all where it does not; a name none has is refused."""
    if (asked := request.query_params.get(f"fields[{kind}]")) is None:
        return shown
    names, held = {name.strip().split(".")[0] for name in asked.split(",")}, shown["attributes"]
    for name in sorted(names - held.keys() - {"id"}):
        raise invalid(f"'{name}' is not a field of '{kind}'.", f"fields[{kind}]")
    return {**shown, "attributes": {name: held[name] for name in held if name in names}}
