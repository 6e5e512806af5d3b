"""Shopify's Admin GraphQL API and its client-credentials token, over the shop of the sandbox's world.

Queries are validated against the part of the vendor's schema of 2026-10 in `schema.graphql`, whatever version is asked for.
Limits answer HTTP 200 with `errors[].extensions.code`, as the vendor does. Settings at `/_control/shopify/settings`: the bucket's
`maximum_available` and `restore_rate`, far larger than any plan's so that a demo is not slowed (a change fills it),
`largest_query` (1000 points), `most_paged` (25,000), the objects a listing ends at, `scope`, what the app may read, and `versions`,
those alive, oldest first: an older one is answered by the oldest alive, which only a header says.
"""

import re
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, body, endpoints, json_body
from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.graphql import Json, Query, refused
from segment_pipeline.sandbox.limits import Bucket
from segment_pipeline.sandbox.listing import Records, stamp
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.shopify.shop import ShopAt

CLIENT_ID, CLIENT_SECRET = "sandbox-shopify-id", "sandbox-shopify-secret"
TOKEN_SECONDS = 86_399
TOKENS = "CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, expires_at TEXT NOT NULL);"
DEFAULTS: Mapping[str, Any] = {
    "maximum_available": 1_000_000,
    "restore_rate": 100_000,
    "largest_query": 1000,
    "most_paged": 25_000,
    # A stable version lives for a year; these are of the end of 2026.
    "versions": ["2026-01", "2026-04", "2026-07", "2026-10"],
    "scope": "read_all_orders,read_customers,read_orders,read_products",
}
UNAUTHORIZED = Refused(401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"})


class Shopify:
    """The endpoints. Tokens outlive a restart."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.store = VendorStore(state, "shopify", defaults=DEFAULTS, schema=[TOKENS])
        self.bucket = Bucket(0, 0)
        self.records = Records(state.directory / "world.sqlite")

    def access_token(self, request: Request) -> Answer:
        asked = _form(request)
        if asked.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        token = f"shpat_{secrets.token_hex(16)}"
        expires_at = stamp(self.state.now() + timedelta(seconds=TOKEN_SECONDS))
        with self.store.writing():
            self.store.database.execute("INSERT INTO tokens VALUES (?, ?)", (token, expires_at))
        return 200, {"access_token": token, "scope": self.store.setting("scope"), "expires_in": TOKEN_SECONDS}

    def is_good(self, token: str) -> bool:
        query = "SELECT 1 FROM tokens WHERE token = ? AND expires_at > ?"
        return self.store.row(query, token, stamp(self.state.now())) is not None

    def served(self, request: Request) -> str | None:
        """The version that answers; None: there never was, or is not yet, one like it."""
        asked, alive = str(request.path_params.get("version")), self.store.setting("versions")
        if not re.fullmatch(r"20\d\d-(01|04|07|10)", asked):
            return None
        return asked if asked in alive else alive[0] if asked < alive[0] else None

    def admit(self, request: Request, _: str) -> tuple[Request, Mapping[str, str]]:
        version = self.served(request)
        return request, {"X-Shopify-API-Version": version} if version else {}

    def graphql(self, request: Request) -> Answer:
        if self.served(request) is None:
            return 404, {"errors": "Not Found"}
        if not self.is_good(request.headers.get("X-Shopify-Access-Token", "")):
            raise UNAUTHORIZED
        try:
            asked = json_body(request)
            text, variables = asked["query"], asked.get("variables") or {}
        except (ValueError, TypeError, KeyError):
            text, variables = None, {}
        if not isinstance(text, str) or not isinstance(variables, dict):
            return 400, {"errors": "Bad Request"}
        return 200, self.answer(text, variables, asked.get("operationName"))

    def answer(self, text: str, variables: Json, operation: str | None) -> Json:
        shop = ShopAt(self.records, self.state.now(), self.store.setting)
        query = Query(shop.rules(), text, variables, operation)
        requested, most = query.requested_cost, self.store.setting("largest_query")
        if requested > most:
            message = f"Query cost is {requested}, which exceeds the single query max cost limit ({most})."
            raise refused(message, "MAX_COST_EXCEEDED", cost=requested, maxCost=most)
        limits = self.store.setting("maximum_available"), self.store.setting("restore_rate")
        if limits != (self.bucket.maximum, self.bucket.restore_rate):
            self.bucket.refill(*limits)
        if not self.bucket.take(requested):
            raise _throttled(requested, self.status())
        data = query.run()
        actual = min(requested, max(1, query.actual_cost))
        self.bucket.take(actual - requested)
        cost = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": self.status()}
        return {"data": data, "extensions": {"cost": cost}}

    def status(self) -> Json:
        return {
            "maximumAvailable": self.bucket.maximum,
            "currentlyAvailable": int(self.bucket.available),
            "restoreRate": self.bucket.restore_rate,
        }


def serve(state: SandboxState) -> Served:
    shopify = Shopify(state)
    calls: Calls[Request] = {
        "/admin/oauth/access_token": {"POST": shopify.access_token},
        "/admin/api/{version}/graphql.json": {"POST": shopify.graphql},
    }
    return Served(endpoints(calls, shopify.admit), shopify.store.control())


def fault_response(kind: str, request: Request) -> Response | None:
    """Shopify's own form of a limit and of a server's fault (both HTTP 200), and of a token that has ended."""
    if not request.url.path.endswith("/graphql.json"):
        return None
    if kind == "429":
        status = {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 100.0}
        return _throttled(int(100 * wait_of(request, 1)), status).response()
    if kind == "expired_token":
        return UNAUTHORIZED.response()
    if kind == "500":
        message = "Internal error. Looks like something went wrong on our end."
        return refused(message, "INTERNAL_SERVER_ERROR").response()
    return None


VENDOR = Vendor(
    serve=serve,
    fault_response=fault_response,
    secrets={"SHOPIFY_CLIENT_ID": CLIENT_ID, "SHOPIFY_CLIENT_SECRET": CLIENT_SECRET},
)


def _throttled(requested: int, status: Json) -> Refused:
    error = {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}
    cost = {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}
    return Refused(200, {"errors": [{"message": "Throttled", "extensions": error}], "extensions": {"cost": cost}})


def _form(request: Request) -> Mapping[str, Any]:
    """JSON or a form."""
    try:
        asked = json_body(request)
    except ValueError:
        asked = dict(parse_qsl(body(request).decode("utf-8", "replace")))
    return asked if isinstance(asked, dict) else {}
