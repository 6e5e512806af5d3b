"""Square's Connect API as its reference describes it: locations, customers, orders, loyalty accounts and the catalogue.

Served as of the sandbox's clock from stored bodies. Limits, defaults and refusals are those of the vendor's OpenAPI file
(2025-08-20) and, of customers in bulk, its SDK; filters that no source of ours asks for are refused as not implemented. Not
in them, so chosen here: both ends of a customer search's time range are inclusive (the widest reading, which a reader has to filter
again), an unknown location id finds nothing, and what is merged is answered in bulk as it is alone.

A customer that was merged away is a record of the world's `merged`, which names the one that answers to its id. Setting at
`/_control/square/settings`: `permissions`, what the token may read.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, json_body
from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.listing import (
    Condition,
    Listing,
    Place,
    Record,
    Records,
    enveloped,
    instant_of,
    one_of,
    opened,
    sealed,
    stamp,
)
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

TOKEN = "sandbox-square-token"
VERSION = "2026-09-16"
PERMISSIONS = {
    "/v2/locations": "MERCHANT_PROFILE_READ",
    "/v2/customers": "CUSTOMERS_READ",
    "/v2/loyalty": "LOYALTY_READ",
    "/v2/catalog": "ITEMS_READ",
    "/v2/orders": "ORDERS_READ",
}
DEFAULTS: Mapping[str, Any] = {"permissions": list(PERMISSIONS.values())}
MOST_IN_BULK = 100
TOP_LEVEL_TYPES = ("ITEM", "CATEGORY", "TAX", "DISCOUNT", "MODIFIER_LIST", "CUSTOM_ATTRIBUTE_DEFINITION")
CUSTOMER_NAME = (
    "lower(coalesce(json_extract(body, '$.given_name'), '')) || char(31) || "
    "lower(coalesce(json_extract(body, '$.family_name'), ''))"
)
CUSTOMER_ORDERS = {None: CUSTOMER_NAME, "DEFAULT": CUSTOMER_NAME, "CREATED_AT": "created_at"}
# SearchCustomers leaves out profiles that hold none of these.
PUBLIC = Condition(
    " OR ".join(
        f"json_extract(body, '$.{field}') IS NOT NULL"
        for field in ("given_name", "family_name", "company_name", "email_address", "phone_number")
    ).join("()")
)

Asked = Mapping[str, Any]


def refused(
    code: str, detail: str, field: str | None = None, *, status: int = 400, category: str = "INVALID_REQUEST_ERROR"
) -> Refused:
    """Square's error envelope."""
    error = {"category": category, "code": code, "detail": detail} | ({"field": field} if field else {})
    return Refused(status, {"errors": [error]})


def unauthorized(code: str, detail: str) -> Refused:
    return refused(code, detail, status=401, category="AUTHENTICATION_ERROR")


def failed(code: str, detail: str, field: str | None = None, *, status: int) -> Refused:
    return refused(code, detail, field, status=status, category="API_ERROR")


def unsupported(what: str, field: str) -> Refused:
    return failed("NOT_IMPLEMENTED", f"The sandbox does not {what}.", field, status=501)


class Square:
    """The endpoints, each a function of what is asked for and of the sandbox's clock."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.store = VendorStore(state, "square", defaults=DEFAULTS)
        self.records = Records(state.directory / "world.sqlite")

    def admit(self, request: Request, call: str) -> tuple[Asked, Mapping[str, str]]:
        """What a request asks for: its JSON, or its query, in which a number is a text."""
        version = request.headers.get("Square-Version", VERSION)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise unauthorized("UNAUTHORIZED", "This request could not be authorized.")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", version):
            raise refused("INVALID_SQUARE_VERSION_FORMAT", "The Square-Version header is not a date.")
        path = call.partition(" ")[2]
        needed = next(permission for begin, permission in PERMISSIONS.items() if path.startswith(begin))
        if needed not in self.store.setting("permissions"):
            detail = f"The merchant has not given your application sufficient permissions: {needed}."
            raise refused("INSUFFICIENT_SCOPES", detail, status=403, category="AUTHENTICATION_ERROR")
        return _asked(request), {"Square-Version": version}

    def locations(self, _: Asked) -> Answer:
        bodies = self.records.bodies(Listing("square", "locations", order="key"), self.state.now())
        return 200, enveloped("locations", bodies)

    def search_customers(self, asked: Asked) -> Answer:
        query = asked.get("query") or {}
        sort, field = query.get("sort") or {}, (query.get("sort") or {}).get("field")
        if field not in CUSTOMER_ORDERS:
            raise refused("INVALID_ENUM_VALUE", "`field` is not a valid sort field.", "query.sort.field")
        conditions = [PUBLIC]
        for name, wanted in (query.get("filter") or {}).items():
            if name not in ("created_at", "updated_at"):
                raise unsupported(f"filter customers by {name}", f"query.filter.{name}")
            conditions += _time_range(name, wanted or {}, f"query.filter.{name}")
        descending = _descending(sort.get("order") or "ASC")
        listing = Listing("square", "customers", tuple(conditions), CUSTOMER_ORDERS[field], descending)
        told: dict[str, Any] = {"count": self.records.count(listing, self.state.now())} if asked.get("count") else {}
        return self._listed("customers", listing, asked, query, **told)

    def get_customer(self, asked: Asked) -> Answer:
        if found := self._customer(str(asked["customer_id"])):
            return 200, found
        raise Refused(404, {"errors": [_not_found(str(asked["customer_id"]))]})

    def retrieve_customers(self, asked: Asked) -> Answer:
        ids = asked.get("customer_ids")
        if not isinstance(ids, list) or not ids:
            raise refused("MISSING_REQUIRED_PARAMETER", "Field must be set.", "customer_ids")
        if len(ids) > MOST_IN_BULK:
            raise refused("ARRAY_LENGTH_TOO_LONG", f"No more than {MOST_IN_BULK} values are allowed.", "customer_ids")
        return 200, {"responses": {key: self._customer(key) or {"errors": [_not_found(key)]} for key in ids}}

    def _customer(self, key: str) -> dict[str, Any] | None:
        """A customer by its id, or by that of one that was merged into it."""
        now = self.state.now()
        while merged := self.records.get("square", "merged", key, now):
            key = json.loads(merged)["id"]
        body = self.records.get("square", "customers", key, now)
        return None if body is None else {"customer": json.loads(body)}

    def list_groups(self, asked: Asked) -> Answer:
        return self._listed("groups", Listing("square", "groups", order="key"), asked, default=50, most=50)

    def search_orders(self, asked: Asked) -> Answer:
        locations, query = asked.get("location_ids"), asked.get("query") or {}
        if not locations:
            raise refused("MISSING_REQUIRED_PARAMETER", "At least one location_id is required.", "location_ids")
        if len(locations) > 10:
            raise refused("ARRAY_LENGTH_TOO_LONG", "No more than 10 values are allowed.", "location_ids")
        if asked.get("return_entries"):
            raise unsupported("give entries instead of orders", "return_entries")
        # "If the end time is absent, it defaults to the time of the first request for the cursor."
        kept = _opened(asked, ["orders", [locations, query]]).kept or [stamp(self.state.now())]
        listing = _orders(locations, query, str(kept[0]))
        return self._listed("orders", listing, asked, [locations, query], default=500, most=1000, kept=kept)

    def search_loyalty(self, asked: Asked) -> Answer:
        if asked.get("query"):
            raise unsupported("search loyalty accounts by customer or mapping", "query")
        listing = Listing("square", "loyalty", order="created_at")
        return self._listed("loyalty_accounts", listing, asked, default=30, most=200)

    def search_catalog(self, asked: Asked) -> Answer:
        if asked.get("query"):
            raise unsupported("search the catalog but by type and begin_time", "query")
        begin, deleted = asked.get("begin_time"), bool(asked.get("include_deleted_objects"))
        types = [str(each).upper() for each in asked.get("object_types") or TOP_LEVEL_TYPES]
        typed = one_of("json_extract(body, '$.type')", types)
        # A deletion has no body and so no type: it is shown whatever the types asked for.
        conditions = [Condition(f"(body IS NULL OR {typed.sql})", typed.values) if deleted else typed]
        if begin:
            conditions.append(Condition("updated_at > ?", (_instant(begin, "begin_time"),)))
        listing = Listing("square", "catalog", tuple(conditions), order="key", deleted=deleted)
        made_for = [types, begin, deleted]
        return self._listed("objects", listing, asked, made_for, most=1000, latest_time=stamp(self.state.now()))

    def _listed(
        self,
        name: str,
        listing: Listing,
        asked: Asked,
        made_for: object = None,
        *,
        default: int = 100,
        most: int = 100,
        kept: Sequence[object] = (),
        **told: object,
    ) -> Answer:
        """A page; `kept` is what its cursor keeps, `told` the answer's other fields."""
        limit, place = _page_size(asked, default=default, most=most), _opened(asked, [name, made_for])
        found, more = self.records.page(listing, self.state.now(), limit, place.after)
        cursor = {"cursor": sealed(found[-1], [name, made_for], *kept)} if more else {}
        return 200, enveloped(name, [_shown(record) for record in found], **told, **cursor)


def serve(state: SandboxState) -> Served:
    square = Square(state)
    calls: Calls[Asked] = {
        "/v2/locations": {"GET": square.locations},
        "/v2/customers/search": {"POST": square.search_customers},
        "/v2/customers/bulk-retrieve": {"POST": square.retrieve_customers},
        "/v2/customers/groups": {"GET": square.list_groups},
        "/v2/customers/{customer_id}": {"GET": square.get_customer},
        "/v2/orders/search": {"POST": square.search_orders},
        "/v2/loyalty/accounts/search": {"POST": square.search_loyalty},
        "/v2/catalog/search": {"POST": square.search_catalog},
    }
    return Served(endpoints(calls, square.admit), square.store.control())


FAULTS: Mapping[str, Refused] = {
    "429": refused("RATE_LIMITED", "Rate limited.", status=429, category="RATE_LIMIT_ERROR"),
    "500": failed("INTERNAL_SERVER_ERROR", "An internal error occurred.", status=500),
    "503": failed("SERVICE_UNAVAILABLE", "An internal error occurred.", status=503),
    "504": failed("GATEWAY_TIMEOUT", "The request took too long.", status=504),
    "expired_token": unauthorized("ACCESS_TOKEN_EXPIRED", "The access token has expired."),
}


def fault_response(kind: str, request: Request) -> Response:
    """Square's own form; a rate limit names a wait only where the rule does."""
    wait = wait_of(request, 0)
    return FAULTS[kind].response({"Retry-After": f"{wait:g}"} if kind == "429" and wait else None)


VENDOR = Vendor(serve=serve, fault_response=fault_response, secrets={"SQUARE_ACCESS_TOKEN": TOKEN})


def _asked(request: Request) -> Asked:
    if request.method == "GET":
        query: dict[str, Any] = {**request.query_params, **request.path_params}
        return query | ({"limit": int(query["limit"])} if query.get("limit", "").isdigit() else {})
    try:
        asked = json_body(request) or {}
    except ValueError:
        raise refused("EXPECTED_JSON_BODY", "The request body is not JSON.") from None
    if not isinstance(asked, dict):
        raise refused("EXPECTED_OBJECT", "Expected an object.")
    return {name: value for name, value in asked.items() if value is not None}


def _not_found(key: str) -> Asked:
    detail = f"Customer with ID `{key}` not found."
    return {"category": "INVALID_REQUEST_ERROR", "code": "NOT_FOUND", "detail": detail}


def _orders(locations: Sequence[str], query: Asked, asked_first: str) -> Listing:
    wanted, sort, where = query.get("filter") or {}, query.get("sort") or {}, "query.filter.date_time_filter"
    for name, value in wanted.items():
        if value and name != "date_time_filter":
            raise unsupported(f"filter orders by {name}", f"query.filter.{name}")
    field = sort.get("sort_field") or "CREATED_AT"
    if field not in ("CREATED_AT", "UPDATED_AT"):
        raise refused("INVALID_ENUM_VALUE", "The sandbox sorts by CREATED_AT and UPDATED_AT.", "query.sort.sort_field")
    conditions = [one_of("route", locations)]
    ranges = {name: value for name, value in (wanted.get("date_time_filter") or {}).items() if value is not None}
    if len(ranges) > 1:
        raise refused("BAD_REQUEST", "Only one date time filter can be provided.", where)
    for name, value in ranges.items():
        if name.upper() != field:
            detail = f"Sort field {field} must match the date time filter {name}."
            raise refused("BAD_REQUEST", detail, "query.sort.sort_field")
        conditions += _time_range(name, {**value, "end_at": value.get("end_at") or asked_first}, f"{where}.{name}")
    descending = _descending(sort.get("sort_order") or "DESC")
    return Listing("square", "orders", tuple(conditions), field.lower(), descending)


def _time_range(expression: str, bounds: Asked, where: str) -> list[Condition]:
    ends = [
        (sign, _instant(bounds[name], f"{where}.{name}"))
        for name, sign in (("start_at", ">="), ("end_at", "<="))
        if bounds.get(name)
    ]
    if len(ends) > 1 and ends[0][1] > ends[1][1]:
        raise refused("INVALID_TIME_RANGE", "The start is after the end.", where)
    return [Condition(f"{expression} {sign} ?", (end,)) for sign, end in ends]


def _instant(value: object, field: str) -> str:
    try:
        return stamp(instant_of(str(value)))
    except ValueError:
        raise refused("INVALID_TIME", "The value is not an RFC 3339 timestamp.", field) from None


def _descending(order: str) -> bool:
    if order not in ("ASC", "DESC"):
        raise refused("INVALID_SORT_ORDER", "The sort order is not valid.", "query.sort")
    return order == "DESC"


def _page_size(asked: Asked, *, default: int, most: int) -> int:
    size = asked.get("limit", default)
    if not isinstance(size, int) or isinstance(size, bool):
        raise refused("EXPECTED_INTEGER", "Expected an integer value.", "limit")
    if size < 1:
        raise refused("VALUE_TOO_LOW", "`limit` must be 1 or more.", "limit")
    if size > most:
        raise refused("VALUE_TOO_HIGH", f"`limit` must not be greater than {most}.", "limit")
    return size


def _opened(asked: Asked, made_for: object) -> Place:
    try:
        return opened(asked.get("cursor"), made_for)
    except ValueError:
        detail = "The pagination cursor is invalid: use it with the query it was made for."
        raise refused("INVALID_CURSOR", detail, "cursor") from None


def _shown(record: Record) -> bytes:
    """A deletion of the catalogue leaves an object without its data, last changed when it was deleted."""
    if record.body.startswith(b"{"):
        return record.body
    at = instant_of(record.body.decode())
    told = {"type": "ITEM", "id": record.key, "updated_at": _written(at), "version": round(at.timestamp() * 1000)}
    return json.dumps({**told, "is_deleted": True, "present_at_all_locations": True}).encode()


def _written(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"
