"""How Graph API calls look from outside: parameters, credentials, the error envelope and the usage header.

Knows nothing of audiences.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Refused, body
from segment_pipeline.sandbox.limits import LimitReached, Windows

TOKEN, SECRET, ACCOUNT = "sandbox-meta-token", "sandbox-meta-secret", "1001"
VERSIONS = frozenset({"v24.0", "v25.0", "v26.0"})
REMOVED = ("pretty", "debug", "__debug__", "date_format")
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


def unsupported(message: str) -> Refused:
    return refused(100, message, 33, kind="GraphMethodException")


def missing(identifier: str) -> Refused:
    what = f"Object with ID '{identifier}' does not exist, cannot be loaded due to missing permissions"
    return unsupported(f"Unsupported request. {what}")


def parameters(request: Request) -> Parameters:
    """Query and body together, the body winning; a value that is a JSON object, array or literal is decoded.

    Form-encoded and JSON bodies are the same thing to Graph, on DELETE as on POST.
    """
    found: Parameters = dict(request.query_params)
    content = body(request)
    if content.lstrip()[:1] == b"{":
        try:
            found |= json.loads(content)
        except ValueError:
            raise refused(100, "Invalid parameter: the body is not JSON") from None
    else:
        found |= parse_qsl(content.decode("utf-8"), keep_blank_values=True)
    return {name: _decoded(name, value) for name, value in found.items()}


def _decoded(name: str, value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise refused(100, f"Invalid parameter: {name} is not JSON") from None


def whole(value: Any, name: str) -> int:
    """A whole number of 1 or more."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise refused(100, f"Invalid parameter: {name} must be a whole number of 1 or more")
    return number


def authorize(request: Request, given: Mapping[str, Any], *, proof_required: bool) -> None:
    """Refuses a missing or wrong token (104, 190) or proof (100), a dead version (2635) and what v26.0 has removed (100)."""
    if request.path_params.get("version", "") not in VERSIONS:
        raise refused(2635, f"You are calling a deprecated version of the Ads API: update to {max(VERSIONS)}")
    for name in REMOVED:
        if name in given:
            raise refused(100, f"The {name} query parameter is deprecated in v26.0+")
    if "if-none-match" in request.headers:
        raise refused(100, "The If-None-Match header is deprecated in v26.0+")
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = given.get("access_token", bearer if scheme == "Bearer" else None)
    if token is None:
        raise refused(104, "An access token is required to request this resource.")
    if token != TOKEN:
        raise refused(190, "Invalid OAuth access token - Cannot parse access token", 467, status=401)
    proof = given.get("appsecret_proof")
    if proof is None and proof_required:
        message = "API calls from the server require an appsecret_proof argument"
        raise refused(100, message, kind="GraphMethodException")
    if proof not in (None, PROOF):
        raise refused(100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")


def spend(windows: Windows, limit: int) -> tuple[dict[str, str], Refused | None]:
    """The usage header after one more call of custom audiences, and the refusal (80003) of one past the hour's limit."""
    try:
        [left] = windows.spend(ACCOUNT, (limit, HOUR))
    except LimitReached as full:
        return usage(100, minutes=max(1, int(full.seconds) // 60)), limited()
    return usage(100 * (limit - left) // limit), None


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


def limited() -> Refused:
    return refused(80003, "There have been too many calls from this ad-account. Wait a bit and try again.", 2446079)
