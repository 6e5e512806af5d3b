"""Square's Connect API as its reference describes it: locations, customers, orders, loyalty accounts and the catalogue.

Served as of the sandbox's clock from stored bodies. Limits, defaults and refusals are those of the vendor's OpenAPI file
(2025-08-20). Not in that file, so chosen here: both ends of a customer search's time range are inclusive (the widest
reading, which a reader has to filter again), and an unknown location id finds nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.listing import Condition, Listing, Record, Records, joined, one_of, stamp
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.square.protocol import (
    SquareError,
    asked_object,
    cursor_tail,
    digest_of,
    in_descending_order,
    instant,
    integer,
    json_answer,
    opened,
    page_size,
    time_range,
)

TOKEN = "sandbox-square-token"
CATALOG_PAGE = 100
TOP_LEVEL_TYPES = ("ITEM", "CATEGORY", "TAX", "DISCOUNT", "MODIFIER_LIST", "CUSTOM_ATTRIBUTE_DEFINITION")
ORDER_STATES = frozenset({"OPEN", "COMPLETED", "CANCELED", "DRAFT"})
# Bodies write instants with or without fractions; this is their fixed-width form.
CLOSED_AT = "coalesce(strftime('%Y-%m-%dT%H:%M:%f000Z', json_extract(body, '$.closed_at')), '')"
ORDER_TIMES = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at", "CLOSED_AT": CLOSED_AT}
CUSTOMER_NAME = (
    "lower(coalesce(json_extract(body, '$.given_name'), '')) || char(31) || "
    "lower(coalesce(json_extract(body, '$.family_name'), ''))"
)
# SearchCustomers leaves out profiles that hold none of these.
PUBLIC = " OR ".join(
    f"json_extract(body, '$.{field}') IS NOT NULL"
    for field in ("given_name", "family_name", "company_name", "email_address", "phone_number")
)

Endpoint = Callable[[Request], Response]


def fault_response(kind: str, request: Request) -> Response | None:
    """Square's own form of a rate limit and of an expired token."""
    if kind == "429":
        error = SquareError("RATE_LIMITED", "Rate limited.", status=429, category="RATE_LIMIT_ERROR").response()
        if wait := wait_of(request, 0):
            error.headers["Retry-After"] = f"{wait:g}"
        return error
    if kind == "expired_token":
        detail = "The access token has expired."
        return SquareError("ACCESS_TOKEN_EXPIRED", detail, status=401, category="AUTHENTICATION_ERROR").response()
    if kind in ("500", "503"):
        code = {"500": "INTERNAL_SERVER_ERROR", "503": "SERVICE_UNAVAILABLE"}[kind]
        return SquareError(code, "An internal error occurred.", status=int(kind), category="API_ERROR").response()
    return None


def serve(state: SandboxState) -> Served:
    square = Square(state)
    routes = [
        Route("/v2/locations", _answered(lambda _: square.locations()), methods=["GET"]),
        Route("/v2/customers", _answered(square.list_customers), methods=["GET"]),
        Route("/v2/customers/search", _answered(square.search_customers), methods=["POST"]),
        Route("/v2/customers/groups", _answered(square.list_groups), methods=["GET"]),
        Route("/v2/customers/{key}", _answered(square.customer), methods=["GET"]),
        Route("/v2/orders/search", _answered(square.search_orders), methods=["POST"]),
        Route("/v2/orders/{key}", _answered(square.order), methods=["GET"]),
        Route("/v2/loyalty/accounts/search", _answered(square.search_loyalty), methods=["POST"]),
        Route("/v2/catalog/list", _answered(square.list_catalog), methods=["GET"]),
        Route("/v2/catalog/search", _answered(square.search_catalog), methods=["POST"]),
    ]
    return Served(routes)


class Square:
    """The endpoints, each a function of the request and of the sandbox's clock."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.records = Records(state.directory / "world.sqlite")

    def locations(self) -> Response:
        bodies = self.records.bodies(Listing("square", "locations", order="key"), self.state.now())
        return json_answer(b'{"locations":[', b",".join(bodies), b"]}")

    def customer(self, request: Request) -> Response:
        return self._one("customers", "customer", request)

    def order(self, request: Request) -> Response:
        return self._one("orders", "order", request)

    def list_customers(self, request: Request) -> Response:
        asked = request.query_params
        sort = {"field": asked.get("sort_field"), "order": asked.get("sort_order")}
        return self._customers(
            conditions=(),
            sort=sort,
            limit=page_size(integer(asked.get("limit"), "limit"), default=100, most=100),
            cursor=asked.get("cursor"),
            count=asked.get("count") == "true",
        )

    def list_groups(self, request: Request) -> Response:
        limit = page_size(integer(request.query_params.get("limit"), "limit"), default=50, most=50)
        listing = Listing("square", "groups", order="key")
        return self._listed("groups", listing, limit, request.query_params.get("cursor"), digest_of("groups"))

    def search_customers(self, request: Request) -> Response:
        asked = asked_object(request)
        query = asked.get("query") or {}
        conditions = [Condition(f"({PUBLIC})")]
        for field, wanted in (query.get("filter") or {}).items():
            if wanted is not None:
                conditions.append(_customer_condition(field, wanted))
        return self._customers(
            conditions=tuple(conditions),
            sort=query.get("sort") or {},
            limit=page_size(asked.get("limit"), default=100, most=100),
            cursor=asked.get("cursor"),
            count=bool(asked.get("count")),
        )

    def search_orders(self, request: Request) -> Response:
        asked = asked_object(request)
        locations = asked.get("location_ids")
        if not locations:
            raise SquareError(
                "MISSING_REQUIRED_PARAMETER", "At least one location_id is required.", field="location_ids"
            )
        if len(locations) > 10:
            detail = "No more than 10 location IDs can be provided."
            raise SquareError("ARRAY_LENGTH_TOO_LONG", detail, field="location_ids")
        query = asked.get("query") or {}
        limit = page_size(asked.get("limit"), default=500, most=1000)
        digest = digest_of("orders", locations, query, asked.get("return_entries"))
        after, extra = opened(asked.get("cursor"), digest)
        # "If the end time is absent, it defaults to the time of the first request for the cursor."
        asked_first = str(extra[0]) if extra else stamp(self.state.now())
        listing = _orders_listing(locations, query, asked_first)
        found, more = self.records.page(listing, self.state.now(), limit, after)
        tail = cursor_tail(found, digest, asked_first, more=more)
        if asked.get("return_entries"):
            entries = [_entry(json.loads(record.body)) for record in found]
            return json_answer(b'{"order_entries":', json.dumps(entries).encode(), tail)
        return json_answer(b'{"orders":[', *joined(found), b"]", tail)

    def search_loyalty(self, request: Request) -> Response:
        asked = asked_object(request)
        query = asked.get("query") or {}
        customers, mappings = query.get("customer_ids"), query.get("mappings")
        if customers and mappings:
            detail = "customer_ids and mappings cannot be combined."
            raise SquareError("CONFLICTING_PARAMETERS", detail, field="query")
        conditions: list[Condition] = []
        for values, path, field in (
            (customers, "$.customer_id", "customer_ids"),
            ([each.get("phone_number") for each in mappings or ()], "$.mapping.phone_number", "mappings"),
        ):
            if not values:
                continue
            if len(values) > 30:
                raise SquareError(
                    "ARRAY_LENGTH_TOO_LONG", "No more than 30 values are allowed.", field=f"query.{field}"
                )
            conditions.append(one_of(f"json_extract(body, '{path}')", values))
        listing = Listing("square", "loyalty", tuple(conditions), order="created_at")
        limit = page_size(asked.get("limit"), default=30, most=200)
        return self._listed("loyalty_accounts", listing, limit, asked.get("cursor"), digest_of("loyalty", query))

    def list_catalog(self, request: Request) -> Response:
        wanted = request.query_params.get("types")
        types = [each.strip().upper() for each in wanted.split(",")] if wanted else list(TOP_LEVEL_TYPES)
        listing = Listing("square", "catalog", (one_of("json_extract(body, '$.type')", types),), order="key")
        cursor = request.query_params.get("cursor")
        return self._listed("objects", listing, CATALOG_PAGE, cursor, digest_of("catalog", types))

    def search_catalog(self, request: Request) -> Response:
        asked = asked_object(request)
        if asked.get("query"):
            detail = "The sandbox searches the catalog by type and begin_time only."
            raise SquareError("NOT_IMPLEMENTED", detail, field="query", status=501, category="API_ERROR")
        conditions: list[Condition] = []
        deleted = bool(asked.get("include_deleted_objects"))
        types = asked.get("object_types") or list(TOP_LEVEL_TYPES)
        typed = one_of("json_extract(body, '$.type')", [str(each).upper() for each in types])
        # A deletion has no body and so no type: it is shown whatever the types asked for.
        conditions.append(Condition(f"(body IS NULL OR {typed.sql})", typed.values) if deleted else typed)
        if asked.get("begin_time"):
            conditions.append(Condition("updated_at > ?", (instant(asked["begin_time"], "begin_time"),)))
        listing = Listing("square", "catalog", tuple(conditions), order="key", deleted=deleted)
        digest = digest_of("catalog/search", types, asked.get("begin_time"), deleted)
        limit = page_size(asked.get("limit"), default=100, most=1000)
        extra = b',"latest_time":' + json.dumps(stamp(self.state.now())).encode()
        return self._listed("objects", listing, limit, asked.get("cursor"), digest, extra=extra)

    def _customers(
        self,
        *,
        conditions: tuple[Condition, ...],
        sort: Mapping[str, Any],
        limit: int,
        cursor: str | None,
        count: bool,
    ) -> Response:
        orders = {None: CUSTOMER_NAME, "DEFAULT": CUSTOMER_NAME, "CREATED_AT": "created_at"}
        field = sort.get("field")
        if field not in orders:
            raise SquareError("INVALID_ENUM_VALUE", "`field` is not a valid sort field.", field="query.sort.field")
        descending = in_descending_order(sort.get("order"), default="ASC")
        listing = Listing("square", "customers", conditions, order=orders[field], descending=descending)
        digest = digest_of("customers", [list(each) for each in conditions], field, descending)
        total = f',"count":{self.records.count(listing, self.state.now())}' if count else ""
        return self._listed("customers", listing, limit, cursor, digest, extra=total.encode())

    def _listed(
        self, name: str, listing: Listing, limit: int, cursor: str | None, digest: str, *, extra: bytes = b""
    ) -> Response:
        after, _ = opened(cursor, digest)
        found, more = self.records.page(listing, self.state.now(), limit, after)
        shown = [self._deleted(record) if not record.body else record for record in found]
        tail = cursor_tail(found, digest, more=more)
        # Square leaves an empty list out: a search that finds nothing answers {}.
        content = [b'"', name.encode(), b'":[', *joined(shown), b"]"] if shown else []
        body = b"".join(content) + extra + tail
        return json_answer(b"{", body.removeprefix(b","))

    def _deleted(self, record: Record) -> Record:
        body = json.dumps({"id": record.key, "type": "ITEM", "is_deleted": True})
        return record._replace(body=body.encode())

    def _one(self, entity: str, name: str, request: Request) -> Response:
        body = self.records.get("square", entity, request.path_params["key"], self.state.now())
        if body is None:
            raise SquareError("NOT_FOUND", f"The {name} was not found.", status=404)
        return json_answer(b'{"', name.encode(), b'":', body, b"}")


def _answered(endpoint: Endpoint) -> Endpoint:
    def answer(request: Request) -> Response:
        try:
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                detail = "This request could not be authorized."
                raise SquareError("UNAUTHORIZED", detail, status=401, category="AUTHENTICATION_ERROR")
            response = endpoint(request)
        except SquareError as error:
            response = error.response()
        if version := request.headers.get("Square-Version"):
            response.headers["Square-Version"] = version
        return response

    return answer


def _orders_listing(locations: Sequence[str], query: Mapping[str, Any], asked_first: str) -> Listing:
    wanted = query.get("filter") or {}
    unknown = [name for name, value in wanted.items() if value and name not in ("state_filter", "date_time_filter")]
    if unknown:
        detail = f"The sandbox does not filter orders by {unknown[0]}."
        raise SquareError("NOT_IMPLEMENTED", detail, status=501, category="API_ERROR", field="query.filter")
    sort = query.get("sort") or {}
    field = sort.get("sort_field") or "CREATED_AT"
    if field not in ORDER_TIMES:
        raise SquareError("INVALID_ENUM_VALUE", "sort_field is not valid.", field="query.sort.sort_field")
    conditions = [one_of("route", list(locations))]
    if states := (wanted.get("state_filter") or {}).get("states"):
        if not ORDER_STATES.issuperset(states):
            raise SquareError("INVALID_ENUM_VALUE", "states is not valid.", field="query.filter.state_filter.states")
        conditions.append(one_of("json_extract(body, '$.state')", states))
    ranges = {
        name.upper(): value for name, value in (wanted.get("date_time_filter") or {}).items() if value is not None
    }
    where = "query.filter.date_time_filter"
    if len(ranges) > 1:
        raise SquareError("BAD_REQUEST", "Only one date time filter can be provided.", field=where)
    for name, value in ranges.items():
        if name != field:
            detail = f"Sort field {field} must match the date time filter {name}."
            raise SquareError("BAD_REQUEST", detail, field="query.sort.sort_field")
        end = value.get("end_at")
        bounds = dict(value) | {"end_at": end or asked_first}
        conditions += time_range(ORDER_TIMES[name], bounds, f"{where}.{name.lower()}")
    descending = in_descending_order(sort.get("sort_order"), default="DESC")
    return Listing("square", "orders", tuple(conditions), order=ORDER_TIMES[field], descending=descending)


def _customer_condition(field: str, wanted: Mapping[str, Any]) -> Condition:
    where = f"query.filter.{field}"
    if field in ("created_at", "updated_at"):
        bounds = time_range(field, wanted, where)
        return Condition(
            " AND ".join(each.sql for each in bounds) or "1", tuple(v for each in bounds for v in each.values)
        )
    if field in ("email_address", "phone_number", "reference_id") and wanted.get("exact"):
        return Condition(f"lower(json_extract(body, '$.{field}')) = lower(?)", (wanted["exact"],))
    if field == "creation_source":
        condition = one_of("coalesce(json_extract(body, '$.creation_source'), '')", wanted.get("values") or [])
        return (
            condition if wanted.get("rule", "INCLUDE") == "INCLUDE" else condition._replace(sql=f"NOT {condition.sql}")
        )
    detail = f"The sandbox does not filter customers by this {field}."
    raise SquareError("NOT_IMPLEMENTED", detail, field=where, status=501, category="API_ERROR")


def _entry(order: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"order_id": order["id"], "version": order.get("version"), "location_id": order["location_id"]}
    return {name: value for name, value in shown.items() if value is not None}


VENDOR = Vendor(serve=serve, fault_response=fault_response, secrets={"SQUARE_ACCESS_TOKEN": TOKEN})
