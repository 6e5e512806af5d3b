"""How Graph API calls look from outside: parameters, credentials, the error envelope and the usage header.

Knows nothing of audiences.
"""

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Answer, Refused, body
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.listing import seal
from segment_pipeline.sandbox.lists import behind

TOKEN, SECRET, ACCOUNT = "sandbox-meta-token", "sandbox-meta-secret", "1001"
VERSIONS = ("v25.0", "v26.0", "v27.0")
# Ended on 2026-11-10: Meta answers in the next one and says so in a header.
UPGRADED = "v24.0"
REMOVED = ("pretty", "debug", "__debug__", "date_format", "ids")
PROOF = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
HOUR = 3600

Parameters = dict[str, Any]


def refused(
    code: int,
    message: str,
    subcode: int | None = None,
    *,
    transient: bool = False,
    status: int = 400,
    kind: str = "OAuthException",
) -> Refused:
    """An answer in the error envelope."""
    error: dict[str, object] = {"message": f"(#{code}) {message}", "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    return Refused(status, {"error": {**error, "is_transient": transient, "fbtrace_id": "ASandboxTraceOfNothing"}})


def missing(identifier: str) -> Refused:
    what = f"Object with ID '{identifier}' does not exist, cannot be loaded due to missing permissions"
    return refused(100, f"Unsupported request. {what}", 33, kind="GraphMethodException")


def parameters(request: Request) -> Parameters:
    """Query and body together, the body winning; a value that is a JSON object, array or literal is decoded.

    Form-encoded and JSON bodies are the same thing to Graph, on DELETE as on POST.
    """
    content, found = body(request), dict(request.query_params)
    try:
        if content.lstrip()[:1] == b"{":
            found |= json.loads(content)
        else:
            found |= parse_qsl(content.decode("utf-8"), keep_blank_values=True)
        coded = {name: value for name, value in found.items() if isinstance(value, str) and value[:1] in ("{", "[")}
        return found | {name: json.loads(value) for name, value in coded.items()}
    except ValueError:
        raise refused(100, "Invalid parameter: the body or a parameter is not JSON") from None


def whole(value: Any, name: str) -> int:
    """A whole number of 1 or more."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise refused(100, f"Invalid parameter: {name} must be a whole number of 1 or more")
    return number


def authorize(request: Request, given: Mapping[str, Any]) -> None:
    """Refuses a missing or wrong token (104, 190) or proof (100), a dead version (2635) and what v26.0 has removed (100)."""
    if request.path_params.get("version", "") not in (UPGRADED, *VERSIONS):
        raise refused(2635, f"You are calling a deprecated version of the Ads API: update to {VERSIONS[-1]}")
    for name in REMOVED:
        if name in given:
            raise refused(100, f"The {name} query parameter is deprecated in v26.0+")
    if "method" in given:
        raise refused(100, "The HTTP method cannot be overridden by a parameter")
    if "if-none-match" in request.headers:
        raise refused(100, "The If-None-Match header is deprecated in v26.0+")
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = given.get("access_token", bearer if scheme == "Bearer" else None)
    if token is None:
        raise refused(104, "An access token is required to request this resource.")
    if token != TOKEN:
        raise refused(190, "Invalid OAuth access token - Cannot parse access token", 467, status=401)
    if (proof := given.get("appsecret_proof")) != PROOF:
        wrong = "Invalid appsecret_proof provided in the API argument"
        message = wrong if proof else "API calls from the server require an appsecret_proof argument"
        raise refused(100, message, kind="GraphMethodException")
    if (account := request.path_params.get("account", ACCOUNT)) != ACCOUNT:
        raise missing(f"act_{account}")


def upgraded(request: Request) -> dict[str, str]:
    """The header of an answer in another version than was asked for."""
    if request.path_params.get("version") != UPGRADED:
        return {}
    return {
        "X-Ad-Api-Version-Warning": f"The call has been auto-upgraded to {VERSIONS[0]} as {UPGRADED} has been deprecated."
    }


def spend(windows: Windows, limit: int) -> dict[str, str]:
    """The usage header after one more call of custom audiences; refuses (80003) one past the hour's limit."""
    try:
        [left] = windows.spend(ACCOUNT, (limit, HOUR))
    except LimitReached as full:
        raise limited(full.seconds) from None
    return usage(100 * (limit - left) // limit)


def usage(share: int, *, minutes: int = 0) -> dict[str, str]:
    """`minutes`: until calls are taken again; Meta never sends Retry-After."""
    told = {
        "type": "custom_audience",
        "call_count": share,
        "total_cputime": share // 2,
        "total_time": share // 2,
        "estimated_time_to_regain_access": minutes,
    }
    return {"X-Business-Use-Case-Usage": json.dumps({ACCOUNT: [told]})}


def limited(seconds: float) -> Refused:
    message = "There have been too many calls from this ad-account. Wait a bit and try again."
    error = refused(80003, message, 2446079)
    error.headers = usage(100, minutes=max(1, int(seconds) // 60))
    return error


def selected(shown: Mapping[str, Any], given: Parameters, known: Collection[str] = ()) -> dict[str, Any]:
    """The `fields` asked for, and the id always; refuses what is neither shown nor `known`."""
    fields = given.get("fields", "id")
    names = [str(name).strip() for name in (fields if isinstance(fields, list) else str(fields).split(","))]
    for name in names:
        if name not in shown and name not in known:
            raise refused(100, f"Tried accessing nonexisting field ({name})")
    return {name: shown[name] for name in dict.fromkeys([*names, "id"]) if name in shown}


def collection(
    request: Request,
    given: Parameters,
    fetch: Callable[[int, int], Sequence[sqlite3.Row]],
    show: Callable[[sqlite3.Row], Mapping[str, Any]],
) -> Answer:
    """A page of what `fetch` gives behind a number, so many at most; the link to the next one holds no credentials."""
    limit = whole(given.get("limit", 25), "limit")
    try:
        found = fetch(behind(given.get("after")), limit + 1)
    except ValueError:
        raise refused(100, "Invalid parameter: after is not a cursor of this list") from None
    answer: dict[str, Any] = {"data": [show(row) for row in found[:limit]]}
    if found:
        cursors = {"before": seal(found[0]["number"]), "after": seal(found[:limit][-1]["number"])}
        answer["paging"] = {"cursors": cursors}
    if len(found) > limit:
        url = request.url.include_query_params(after=cursors["after"])
        answer["paging"]["next"] = str(url.remove_query_params(["access_token", "appsecret_proof"]))
    return 200, answer
