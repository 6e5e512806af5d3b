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
from starlette.responses import JSONResponse, Response

from segment_pipeline import clock
from segment_pipeline.sandbox.exchange import body

TOKEN = "sandbox-meta-token"
SECRET = "sandbox-meta-secret"
ACCOUNT = "1001"
VERSIONS = frozenset({"v24.0", "v25.0", "v26.0"})
REMOVED = ("pretty", "debug", "__debug__", "date_format")
PROOF = hmac.new(SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()


class GraphError(Exception):
    """An answer in the error envelope. `status` is the HTTP status: 400 unless said."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        subcode: int | None = None,
        transient: bool = False,
        status: int = 400,
        kind: str = "OAuthException",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.transient = transient
        self.status = status
        self.kind = kind

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        error: dict[str, object] = {"message": f"(#{self.code}) {self}", "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error |= {"is_transient": self.transient, "fbtrace_id": "ASandboxTraceOfNothing"}
        return JSONResponse({"error": error}, status_code=self.status, headers=dict(headers or {}))


def parameters(request: Request) -> dict[str, Any]:
    """Query and body together, the body winning; a value that is a JSON object, array or literal is decoded.

    Form-encoded and JSON bodies are the same thing to Graph, on DELETE as on POST.
    """
    found: dict[str, Any] = {name: _decoded(name, value) for name, value in request.query_params.items()}
    content = body(request)
    if not content:
        return found
    if content.lstrip()[:1] == b"{":
        try:
            found.update(json.loads(content))
        except ValueError:
            raise GraphError(100, "Invalid parameter: the body is not JSON") from None
        return {name: _decoded(name, value) for name, value in found.items()}
    for name, value in parse_qsl(content.decode("utf-8"), keep_blank_values=True):
        found[name] = _decoded(name, value)
    return found


def _decoded(name: str, value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise GraphError(100, f"Invalid parameter: {name} is not JSON") from None


def authorize(request: Request, given: Mapping[str, Any], *, proof_required: bool) -> None:
    """Raises GraphError for a missing or wrong token (104, 190) or proof (100), and for what v26.0 has removed (100)."""
    version = request.path_params.get("version", "")
    if version not in VERSIONS:
        raise GraphError(2635, f"You are calling a deprecated version of the Ads API: update to {max(VERSIONS)}")
    for name in REMOVED:
        if name in given:
            raise GraphError(100, f"The {name} query parameter is deprecated in v26.0+")
    if "if-none-match" in request.headers:
        raise GraphError(100, "The If-None-Match header is deprecated in v26.0+")
    token = given.get("access_token")
    bearer = request.headers.get("authorization", "")
    if token is None and bearer.startswith("Bearer "):
        token = bearer.removeprefix("Bearer ")
    if token is None:
        raise GraphError(104, "An access token is required to request this resource.")
    if not hmac.compare_digest(str(token).encode(), TOKEN.encode()):
        raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", subcode=467, status=401)
    proof = given.get("appsecret_proof")
    if proof is None and proof_required:
        raise GraphError(
            100, "API calls from the server require an appsecret_proof argument", kind="GraphMethodException"
        )
    if proof is not None and not hmac.compare_digest(str(proof).encode(), PROOF.encode()):
        raise GraphError(100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")


class Usage:
    """Calls of the last hour of real time against the hourly limit of custom-audience calls.

    Real time, because the sandbox's clock may stand still through any number of calls.
    """

    def __init__(self) -> None:
        self._started = clock.monotonic()
        self._calls = 0

    def spend(self, limit: int) -> None:
        """Raises GraphError 80003 once `limit` calls were made in the hour."""
        if clock.monotonic() - self._started >= 3600:
            self._started, self._calls = clock.monotonic(), 0
        self._calls += 1
        if self._calls > limit:
            raise limited()

    def header(self, limit: int, *, minutes: int | None = None) -> dict[str, str]:
        """`minutes`: to regain access; None works it out."""
        share = min(100, 100 * self._calls // max(limit, 1))
        if minutes is None:
            minutes = 0 if self._calls <= limit else max(1, int(3600 - (clock.monotonic() - self._started)) // 60)
        usage = {
            "type": "custom_audience",
            "call_count": 100 if minutes else share,
            "total_cputime": share // 2,
            "total_time": share // 2,
            "estimated_time_to_regain_access": minutes,
        }
        return {"X-Business-Use-Case-Usage": json.dumps({ACCOUNT: [usage]})}


def limited() -> GraphError:
    message = "There have been too many calls from this ad-account. Wait a bit and try again."
    return GraphError(80003, message, subcode=2446079)


def expired() -> GraphError:
    message = "Error validating access token: Session has expired"
    return GraphError(190, message, subcode=463, status=401)
