"""How calls of a Google API look from outside: OAuth tokens, quotas, and errors as google.rpc.Status. Knows nothing of audiences."""

import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from google.auth import crypt
from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Answer, Refused, body
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.store import VendorStore

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, scope TEXT, expires_at TEXT NOT NULL) WITHOUT ROWID;"
)
ACCOUNT, MANAGER = "1234567890", "9876543210"
CLIENT, SECRET, REFRESH = "sandbox-google-client", "sandbox-google-secret", "sandbox-google-refresh"
SCOPE, AUDIENCE = "https://www.googleapis.com/auth/datamanager", "https://oauth2.googleapis.com/token"
JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
API, GOOGLE, RPC = "datamanager.googleapis.com", "googleapis.com", "type.googleapis.com/google.rpc."
MINUTE, DAY = 60, 86_400
STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
# Google's words for its reasons of refusing a field.
SAID = {
    "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA": "The advertiser needs to be allowlisted to use lists of uploaded data.",
    "DISPLAY_NAME_ALREADY_USED": "The display name is already being used for another user list for the account.",
    "DUPLICATE_DESTINATION_REFERENCE": "Two or more destinations in the request have the same reference.",
    "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED": "The customer lacks the EU political advertising declaration.",
    "IMMUTABLE_FIELD_FOR_UPDATE": "Attempted to set an immutable field for an update request.",
    "INVALID_AUDIENCE_MEMBER": "This audience member is not valid.",
    "INVALID_BASE64_ENCODING": "The base64 encoded value is malformed.",
    "INVALID_DESTINATION": "This Destination is not valid.",
    "INVALID_FILTER": "The query filter is invalid.",
    "INVALID_FORMAT": "Format is invalid.",
    "INVALID_HEX_ENCODING": "The HEX encoded value is malformed.",
    "INVALID_MOBILE_ID_FORMAT": "Mobile ID format is not valid.",
    "INVALID_NUMBER_FORMAT": "String is not a valid number.",
    "INVALID_PAGE_TOKEN": "The page token is invalid.",
    "INVALID_REGION_CODE": "The region code is not valid.",
    "INVALID_REMOVE_AS_OF_TIME": "The remove as of time must be in the past or present.",
    "INVALID_REQUEST_ID": "The request ID used to retrieve the status of a request is not valid.",
    "INVALID_SHA256_FORMAT": "The SHA256 encoded value is malformed.",
    "INVALID_UPDATE_MASK": "The update mask is invalid.",
    "INVALID_USER_LIST_ID": "User list is not valid.",
    "INVALID_USER_LIST_TYPE": "Type of the user list is not applicable for this request.",
    "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT": "Linked account is only supported for data partners.",
    "MEMBERSHIP_DURATION_TOO_LONG": "The user list membership duration is too long.",
    "MULTIPLE_DATA_TYPES_NOT_ALLOWED": "Multiple data types are not allowed to be ingested in a single request.",
    "NOT_ALLOWLISTED": "The account is not allowlisted for the given feature.",
    "REQUEST_TOO_OLD": "Request status is only available for approximately 50 days after the API receives a request.",
    "REQUIRED_FIELD_MISSING": "Required field is missing.",
    "TERMS_AND_CONDITIONS_NOT_SIGNED": "Required terms and conditions are not accepted.",
    "TOO_MANY_AUDIENCE_MEMBERS": "Maximum number of audience members allowed per request is 10,000.",
    "TOO_MANY_DESTINATIONS": "Maximum number of destinations allowed per request is 10.",
    "TOO_MANY_USER_IDENTIFIERS": "Maximum number of user identifiers allowed per audience member is 10.",
    "UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES": "The user list upload key types are not supported.",
}
UNAUTHENTICATED = "Request had invalid authentication credentials. Expected OAuth 2 access token."


def status(code: int, message: str, *details: Mapping[str, Any]) -> Refused:
    return Refused(code, {"error": {"code": code, "message": message, "status": STATUSES[code], "details": details}})


def refused(code: int, message: str, reason: str, *details: Mapping[str, Any], domain: str = API) -> Refused:
    """An answer with ErrorInfo and RequestInfo; `reason` is one of the domain's."""
    asked = f"t-{uuid.uuid4()}"
    info = {"@type": f"{RPC}ErrorInfo", "reason": reason, "domain": domain, "metadata": {"requestId": asked}}
    return status(code, message, info, {"@type": f"{RPC}RequestInfo", "requestId": asked}, *details)


def missing() -> Refused:
    return refused(404, "Resource not found.", "NOT_FOUND")


def denied() -> Refused:
    return refused(403, "The user does not have permission or the resource is not found.", "PERMISSION_DENIED")


def limited() -> Refused:
    return refused(429, "Too many requests.", "RESOURCE_EXHAUSTED")


def unauthenticated(reason: str = "ACCESS_TOKEN_EXPIRED") -> Refused:
    error = refused(401, UNAUTHENTICATED, reason, domain=GOOGLE)
    error.headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
    return error


class Violations:
    """What is wrong with the fields of one request, told all at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: list[dict[str, str]] = []

    def add(self, field: str, reason: str = "REQUIRED_FIELD_MISSING") -> None:
        self._found.append({"field": field, "description": SAID[reason], "reason": reason})

    def refuse(self) -> None:
        """Refuses (400) when there is any."""
        if self._found:
            raise self.error()

    def error(self) -> Refused:
        bad = {"@type": f"{RPC}BadRequest", "fieldViolations": self._found[: self._most]}
        return refused(400, "There was a problem with the request.", "INVALID_ARGUMENT", bad)


class Access:
    """Who may call, and how often."""

    def __init__(self, store: VendorStore) -> None:
        self.store = store
        self.windows = Windows()

    def admit(self, request: Request, service: str, per_day: int) -> None:
        """Refuses a call without a token in force (401), with one of another scope (403), or one too many (429)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            raise unauthenticated("CREDENTIALS_MISSING")
        held = self.store.row("SELECT * FROM tokens WHERE token = ?", token)
        if held is None or held["expires_at"] <= self.store.now or self.store.setting("revoked"):
            raise unauthenticated()
        if SCOPE not in held["scope"].split():
            said = "Request had insufficient authentication scopes."
            raise refused(403, said, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", domain=GOOGLE)
        factor = int(self.store.setting("limit_factor"))
        try:
            self.windows.spend(service, (300 * factor, MINUTE), (per_day * factor, DAY))
        except LimitReached:
            raise limited() from None

    def token(self, request: Request) -> Answer:
        """`POST /token`: an access token for a refresh token, or for a service account's signed claim."""
        given = dict(parse_qsl(body(request).decode("utf-8", "replace")))
        grants = {"refresh_token": self._refreshed, JWT: self._claimed}
        if given.get("grant_type") not in grants:
            raise Refused(400, oauth("unsupported_grant_type", "Invalid grant_type"))
        scope, token = grants[given["grant_type"]](given), f"ya29.{secrets.token_urlsafe(24)}"
        seconds = int(self.store.setting("token_seconds"))
        expires = (self.store.state.now() + timedelta(seconds=seconds)).isoformat()
        with self.store.writing():
            self.store.database.execute("INSERT INTO tokens VALUES (?, ?, ?)", (token, scope, expires))
        return 200, {"access_token": token, "expires_in": seconds, "scope": scope, "token_type": "Bearer"}

    def _refreshed(self, given: Mapping[str, str]) -> str:
        if (given.get("client_id"), given.get("client_secret")) != (CLIENT, SECRET):
            raise Refused(401, oauth("invalid_client", "The OAuth client was not found."))
        if given.get("refresh_token") != REFRESH or self.store.setting("revoked"):
            raise Refused(400, oauth("invalid_grant", "Token has been expired or revoked."))
        return str(self.store.setting("granted_scope"))

    def _claimed(self, given: Mapping[str, str]) -> str:
        """The claim's times are the caller's clock's, which need not be the sandbox's: only that it lives an hour at most."""
        signed, _, signature = given.get("assertion", "").rpartition(".")
        try:
            claim = json.loads(_decoded(signed.partition(".")[2]))
            key = self.store.setting("service_accounts")[claim["iss"]]
            right = crypt.RSAVerifier.from_string(key).verify(signed.encode(), _decoded(signature))
            in_time = 0 < claim["exp"] - claim["iat"] <= 3600
        except (ValueError, KeyError, TypeError):
            raise Refused(
                400, oauth("invalid_grant", "Invalid JWT: Failed audience check or no such account.")
            ) from None
        if not right or not in_time or claim.get("aud") != AUDIENCE or self.store.setting("revoked"):
            raise Refused(400, oauth("invalid_grant", "Invalid JWT Signature."))
        return str(claim.get("scope", ""))


def oauth(error: str, description: str) -> dict[str, str]:
    """An error as a token endpoint puts it."""
    return {"error": error, "error_description": description}


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
