"""Shopify's Admin GraphQL API 2026-10 and its client-credentials token, over the shop of the sandbox's world.

Queries are validated against the part of the vendor's schema in `schema.graphql`. Limits answer HTTP 200 with
`errors[].extensions.code`, as the vendor does. The bucket is far larger than any plan's by default, so that a demo is not
slowed; `PUT /_control/shopify/limits` sets the real ones.
"""

import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segment_pipeline import clock
from segment_pipeline.sandbox import exchange
from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.listing import Listing, Records, seal, stamp, unseal
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.shopify import search as shopify_search
from segment_pipeline.sandbox.vendors.shopify.query import Compiler, Json, Page, QueryError, prepare, refused

CLIENT_ID, CLIENT_SECRET = "sandbox-shopify-id", "sandbox-shopify-secret"
VERSION = "2026-10"
TOKEN_SECONDS = 86_399
MOST_PAGED = 25_000
SORTS = {
    "CREATED_AT": "created_at",
    "UPDATED_AT": "updated_at",
    "PROCESSED_AT": shopify_search.PROCESSED_AT,
    "ID": "key",
}
ENTITIES = {"Customer": "customers", "Product": "products", "Order": "orders"}


@dataclass(slots=True)
class Limits:
    """What `PUT /_control/shopify/limits` can change; back to these at a restart.

    `token_uses`: requests a token issued from now on is good for; None: only time ends it.
    """

    maximum_available: float = 1_000_000
    restore_rate: float = 100_000
    largest_query: int = 1000
    token_uses: int | None = None


class Bucket:
    """The points an app has left. Refilled in real time: waiting is what a client does, not the sandbox's clock."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self.refill()

    def refill(self) -> None:
        self._available = self.limits.maximum_available
        self._at = clock.monotonic()

    def take(self, points: float) -> bool:
        """Take points if they are there; a negative number gives back what was asked for and not used."""
        with self._lock:
            now = clock.monotonic()
            restored = self._available + (now - self._at) * self.limits.restore_rate
            self._available, self._at = min(self.limits.maximum_available, restored), now
            if points > self._available:
                return False
            self._available = min(self.limits.maximum_available, self._available - points)
            return True

    def status(self) -> Json:
        return {
            "maximumAvailable": self.limits.maximum_available,
            "currentlyAvailable": int(self._available),
            "restoreRate": self.limits.restore_rate,
        }


class Tokens:
    """Access tokens, kept in the vendor's database so that they outlive a restart."""

    def __init__(self, state: SandboxState, limits: Limits) -> None:
        self.state = state
        self.limits = limits
        state.database("shopify").execute(
            "CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, expires_at TEXT NOT NULL, uses_left INTEGER)"
        )

    def issue(self) -> str:
        token = f"shpat_{secrets.token_hex(16)}"
        expires_at = stamp(self.state.now() + timedelta(seconds=TOKEN_SECONDS))
        self.state.database("shopify").execute(
            "INSERT INTO tokens VALUES (?, ?, ?)", (token, expires_at, self.limits.token_uses)
        )
        return token

    def accept(self, token: str) -> bool:
        """Whether the token is good for this request; counts the use."""
        used = self.state.database("shopify").execute(
            "UPDATE tokens SET uses_left = uses_left - 1 WHERE token = ? AND expires_at > ? "
            "AND (uses_left IS NULL OR uses_left > 0)",
            (token, stamp(self.state.now())),
        )
        return used.rowcount == 1


class ShopAt:
    """The shop's objects at one instant, for one query. `warnings` are search fields that were ignored."""

    def __init__(self, records: Records, at: datetime) -> None:
        self.records = records
        self.at = at
        self.warnings: list[Json] = []
        self._nodes: dict[tuple[str, str], Json | None] = {}
        self._variants: dict[str, Json] | None = None

    def page(self, name: str, arguments: Json) -> Page:
        sort, descending = str(arguments["sortKey"]), bool(arguments.get("reverse"))
        after, seen = None, 0
        if arguments.get("after"):
            try:
                made_for, position, key, count = unseal(arguments["after"])
            except ValueError:
                made_for = position = key = count = None
            if made_for != f"{name} {sort} {descending}":
                raise refused("Invalid cursor for current pagination sort.", "INVALID_CURSOR")
            after, seen = (str(position), str(key)), int(str(count))
        size = arguments["first"]
        if seen + size > MOST_PAGED:
            raise refused(f"Pagination is limited to {MOST_PAGED} objects: filter the query", "PAGINATION_LIMIT")
        listing = Listing("shopify", name, self._conditions(name, arguments), SORTS[sort], descending)
        found, more = self.records.page(listing, self.at, size, after)
        cursors = [
            seal(f"{name} {sort} {descending}", record.position, record.key, seen + number)
            for number, record in enumerate(found, 1)
        ]
        return Page([_opened(record.body) for record in found], cursors, more, after is not None)

    def count(self, name: str, arguments: Json) -> Json:
        """Exact up to `limit`; beyond it, at least that many. Without a limit Shopify still stops at 25,001."""
        listing = Listing("shopify", name, self._conditions(name, arguments))
        asked = arguments.get("limit")
        limit = MOST_PAGED + 1 if asked is None else min(asked, MOST_PAGED + 1)
        found = self.records.count(listing, self.at, limit + 1)
        return {"count": min(found, limit), "precision": "AT_LEAST" if found > limit else "EXACT"}

    def node(self, type_name: str, gid: str) -> Json | None:
        if type_name == "Shop":
            return self._shop()
        if type_name == "ProductVariant":
            return self._variant(gid)
        key = gid.rsplit("/", 1)[-1]
        if gid != f"gid://shopify/{type_name}/{key}":
            return None
        if (type_name, key) not in self._nodes:
            body = self.records.get("shopify", ENTITIES[type_name], key, self.at)
            self._nodes[type_name, key] = None if body is None else _opened(body)
        return self._nodes[type_name, key]

    def _variant(self, gid: str) -> Json | None:
        if self._variants is None:
            products = self.records.bodies(Listing("shopify", "products", order="key"), self.at)
            self._variants = {variant["id"]: variant for body in products for variant in json.loads(body)["variants"]}
        return self._variants.get(gid)

    def _shop(self) -> Json:
        found = self.records.bodies(Listing("shopify", "shop", order="key"), self.at)
        shop: Json = json.loads(found[0]) if found else {"ianaTimezone": "UTC"}
        return shop

    def _conditions(self, name: str, arguments: Json) -> tuple[Any, ...]:
        text = arguments.get("query")
        if not text:
            return ()
        written = shopify_search.Clock(ZoneInfo(self._shop()["ianaTimezone"]), self.at)
        try:
            conditions, ignored = shopify_search.parse(text, shopify_search.FIELDS[name], written)
        except shopify_search.SearchError as error:
            raise refused(str(error), "SANDBOX_NOT_SUPPORTED") from None
        if ignored:
            message = "Invalid search field for this query."
            warnings = [{"field": field, "message": message, "code": "invalid_field"} for field in ignored]
            self.warnings.append({"path": [name], "query": text, "warnings": warnings})
        return tuple(conditions)


class Shopify:
    """The endpoints."""

    def __init__(self, state: SandboxState, limits: Limits) -> None:
        self.state = state
        self.limits = limits
        self.bucket = Bucket(limits)
        self.tokens = Tokens(state, limits)
        self.records = Records(state.directory / "world.sqlite")

    def access_token(self, request: Request) -> Response:
        asked = _form(request)
        if asked.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        scope = "read_all_orders,read_customers,read_orders,read_products"
        return JSONResponse({"access_token": self.tokens.issue(), "scope": scope, "expires_in": TOKEN_SECONDS})

    def graphql(self, request: Request) -> Response:
        if request.path_params["version"] != VERSION:
            return JSONResponse({"errors": "Not Found"}, status_code=404)
        if not self.tokens.accept(request.headers.get("X-Shopify-Access-Token", "")):
            return _unauthorized()
        try:
            asked = exchange.json_body(request)
            text, variables = asked["query"], asked.get("variables") or {}
        except (ValueError, TypeError, KeyError):
            text = None
        if not isinstance(text, str) or not isinstance(variables, dict):
            return JSONResponse({"errors": "Bad Request"}, status_code=400)
        answer = self._answer(text, variables, asked.get("operationName"))
        content = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
        return Response(content, media_type="application/json", headers={"X-Shopify-API-Version": VERSION})

    def _answer(self, text: str, variables: Json, operation: str | None) -> Json:
        shop = ShopAt(self.records, self.state.now())
        requested = 0
        try:
            compiler = Compiler(prepare(text, operation), variables, shop)
            run, requested = compiler.compile()
            most = self.limits.largest_query
            if requested > most:
                message = f"Query cost is {requested}, which exceeds the single query max cost limit ({most})."
                raise refused(message, "MAX_COST_EXCEEDED", cost=requested, maxCost=most)
            if not self.bucket.take(requested):
                return _throttled(requested, self.bucket.status())
            data = run()
        except QueryError as error:
            return {"errors": error.errors}
        actual = min(requested, max(1, compiler.actual_cost))
        self.bucket.take(actual - requested)
        cost = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": self.bucket.status()}
        extensions: Json = {"cost": cost} | ({"search": shop.warnings} if shop.warnings else {})
        return {"data": data, "extensions": extensions}


def serve(state: SandboxState) -> Served:
    """Control: `PUT /_control/shopify/limits` with any of `Limits`' fields; also refills the bucket."""
    shopify = Shopify(state, Limits())

    def limits(request: Request) -> Response:
        for name, value in exchange.json_body(request).items():
            setattr(shopify.limits, name, value)
        shopify.bucket.refill()
        return JSONResponse(asdict(shopify.limits))

    routes = [
        Route("/admin/oauth/access_token", shopify.access_token, methods=["POST"]),
        Route("/admin/api/{version}/graphql.json", shopify.graphql, methods=["POST"]),
    ]
    return Served(routes, [Route("/limits", limits, methods=["PUT"])])


def fault_response(kind: str, request: Request) -> Response | None:
    """Shopify's own form of a limit and of a server's fault (both HTTP 200), and of a token that has ended."""
    if not request.url.path.endswith("/graphql.json"):
        return None
    if kind == "429":
        status = {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 100.0}
        return JSONResponse(_throttled(int(100 * wait_of(request, 1)), status))
    if kind == "expired_token":
        return _unauthorized()
    if kind == "500":
        return JSONResponse(
            {
                "errors": [
                    {
                        "message": "Internal error. Looks like something went wrong on our end.",
                        "extensions": {"code": "INTERNAL_SERVER_ERROR"},
                    }
                ]
            }
        )
    return None


VENDOR = Vendor(
    serve=serve,
    fault_response=fault_response,
    secrets={"SHOPIFY_CLIENT_ID": CLIENT_ID, "SHOPIFY_CLIENT_SECRET": CLIENT_SECRET},
)


def _opened(body: bytes) -> Json:
    """A stored node; a refund of an order names a line by id only, and gets the line itself."""
    found: Json = json.loads(body)
    if refunds := found.get("refunds"):
        lines = {line["id"]: line for line in found["lineItems"]}
        for refund in refunds:
            for refunded in refund["refundLineItems"]:
                refunded["lineItem"] = lines.get(refunded["lineItem"]["id"], refunded["lineItem"])
    return found


def _throttled(requested: int, status: Json) -> Json:
    documentation = "https://shopify.dev/api/usage/rate-limits"
    return {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": documentation}}],
        "extensions": {"cost": {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}},
    }


def _unauthorized() -> Response:
    message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
    return JSONResponse({"errors": message}, status_code=401)


def _form(request: Request) -> Mapping[str, Any]:
    content = exchange.body(request)
    if request.headers.get("Content-Type", "").startswith("application/json"):
        try:
            asked = json.loads(content)
        except ValueError:
            return {}
        return asked if isinstance(asked, dict) else {}
    return {name: values[-1] for name, values in parse_qs(content.decode("utf-8", "replace")).items()}
