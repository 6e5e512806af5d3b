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

from segment_pipeline.sandbox.exchange import Refused, json_body
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
from segment_pipeline.sandbox.vendor import Served, Vendor

TOKEN = "sandbox-square-token"
TOP_LEVEL_TYPES = ("ITEM", "CATEGORY", "TAX", "DISCOUNT", "MODIFIER_LIST", "CUSTOM_ATTRIBUTE_DEFINITION")
ORDER_STATES = frozenset({"OPEN", "COMPLETED", "CANCELED", "DRAFT"})
# Bodies write instants with or without fractions; this is their fixed-width form.
CLOSED_AT = "coalesce(strftime('%Y-%m-%dT%H:%M:%f000Z', json_extract(body, '$.closed_at')), '')"
ORDER_TIMES = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at", "CLOSED_AT": CLOSED_AT}
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
Endpoint = Callable[[Asked], bytes]


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
    """The endpoints, each a function of what is asked for and of the sandbox's clock, to the answer's JSON."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.records = Records(state.directory / "world.sqlite")

    def endpoint(self, call: Endpoint) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            try:
                if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise unauthorized("UNAUTHORIZED", "This request could not be authorized.")
                response = Response(call(_asked(request)), media_type="application/json")
            except Refused as error:
                response = error.response()
            if version := request.headers.get("Square-Version"):
                response.headers["Square-Version"] = version
            return response

        return answer

    def locations(self, _: Asked) -> bytes:
        return enveloped(
            "locations", self.records.bodies(Listing("square", "locations", order="key"), self.state.now())
        )

    def list_customers(self, asked: Asked) -> bytes:
        sort = {"field": asked.get("sort_field"), "order": asked.get("sort_order")}
        return self._customers(asked, (), sort, count=asked.get("count") == "true")

    def search_customers(self, asked: Asked) -> bytes:
        query = asked.get("query") or {}
        filters = {field: wanted for field, wanted in (query.get("filter") or {}).items() if wanted is not None}
        conditions = (PUBLIC, *(each for name, wanted in filters.items() for each in _customer_filter(name, wanted)))
        return self._customers(asked, conditions, query.get("sort") or {}, count=bool(asked.get("count")))

    def list_groups(self, asked: Asked) -> bytes:
        return self._listed("groups", Listing("square", "groups", order="key"), asked, ["groups"], default=50, most=50)

    def search_orders(self, asked: Asked) -> bytes:
        locations, query, entries = asked.get("location_ids"), asked.get("query") or {}, asked.get("return_entries")
        if not locations:
            raise refused("MISSING_REQUIRED_PARAMETER", "At least one location_id is required.", "location_ids")
        made_for = ["orders", _few(locations, 10, "location_ids"), query, entries]
        # "If the end time is absent, it defaults to the time of the first request for the cursor."
        kept = _opened(asked, made_for).kept or [stamp(self.state.now())]
        listing, name = _orders(locations, query, str(kept[0])), "order_entries" if entries else "orders"
        shown = _entry if entries else _whole
        return self._listed(name, listing, asked, made_for, default=500, most=1000, kept=kept, shown=shown)

    def search_loyalty(self, asked: Asked) -> bytes:
        query = asked.get("query") or {}
        phones = [each.get("phone_number") for each in query.get("mappings") or ()]
        wanted = {
            "customer_ids": ("customer_id", query.get("customer_ids")),
            "mappings": ("mapping.phone_number", phones),
        }
        chosen = [(field, path, values) for field, (path, values) in wanted.items() if values]
        if len(chosen) > 1:
            raise refused("CONFLICTING_PARAMETERS", "customer_ids and mappings cannot be combined.", "query")
        conditions = tuple(
            one_of(f"json_extract(body, '$.{path}')", _few(values, 30, f"query.{field}"))
            for field, path, values in chosen
        )
        listing = Listing("square", "loyalty", conditions, order="created_at")
        return self._listed("loyalty_accounts", listing, asked, ["loyalty", query], default=30, most=200)

    def list_catalog(self, asked: Asked) -> bytes:
        wanted = asked.get("types")
        types = [each.strip().upper() for each in wanted.split(",")] if wanted else list(TOP_LEVEL_TYPES)
        listing = Listing("square", "catalog", (one_of("json_extract(body, '$.type')", types),), order="key")
        return self._listed("objects", listing, {"cursor": asked.get("cursor")}, ["catalog", types])

    def search_catalog(self, asked: Asked) -> bytes:
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
        made_for = ["catalog/search", types, begin, deleted]
        return self._listed("objects", listing, asked, made_for, most=1000, latest_time=stamp(self.state.now()))

    def _customers(self, asked: Asked, conditions: tuple[Condition, ...], sort: Asked, *, count: bool) -> bytes:
        field = sort.get("field")
        if field not in CUSTOMER_ORDERS:
            raise refused("INVALID_ENUM_VALUE", "`field` is not a valid sort field.", "query.sort.field")
        descending = _descending(sort.get("order") or "ASC")
        listing = Listing("square", "customers", conditions, order=CUSTOMER_ORDERS[field], descending=descending)
        counted: dict[str, Any] = {"count": self.records.count(listing, self.state.now())} if count else {}
        return self._listed("customers", listing, asked, ["customers", conditions, field, descending], **counted)

    def _listed(
        self,
        name: str,
        listing: Listing,
        asked: Asked,
        made_for: object,
        *,
        default: int = 100,
        most: int = 100,
        kept: Sequence[object] = (),
        shown: Callable[[Record], bytes] | None = None,
        **told: object,
    ) -> bytes:
        """A page; `kept` is what its cursor keeps, `told` the answer's other fields."""
        limit, after = _page_size(asked, default=default, most=most), _opened(asked, made_for).after
        found, more = self.records.page(listing, self.state.now(), limit, after)
        cursor = {"cursor": sealed(found[-1], made_for, *kept)} if more else {}
        return enveloped(name, [(shown or _whole)(record) for record in found], **told, **cursor)

    def one(self, name: str) -> Endpoint:
        """Reads one record of that name by its key."""

        def read(asked: Asked) -> bytes:
            body = self.records.get("square", f"{name}s", asked["key"], self.state.now())
            if body is None:
                raise refused("NOT_FOUND", f"The {name} was not found.", status=404)
            return b'{"%s":%s}' % (name.encode(), body)

        return read


def serve(state: SandboxState) -> Served:
    square = Square(state)
    endpoints: Mapping[tuple[str, str], Endpoint] = {
        ("GET", "/v2/locations"): square.locations,
        ("GET", "/v2/customers"): square.list_customers,
        ("POST", "/v2/customers/search"): square.search_customers,
        ("GET", "/v2/customers/groups"): square.list_groups,
        ("GET", "/v2/customers/{key}"): square.one("customer"),
        ("POST", "/v2/orders/search"): square.search_orders,
        ("GET", "/v2/orders/{key}"): square.one("order"),
        ("POST", "/v2/loyalty/accounts/search"): square.search_loyalty,
        ("GET", "/v2/catalog/list"): square.list_catalog,
        ("POST", "/v2/catalog/search"): square.search_catalog,
    }
    return Served([Route(path, square.endpoint(call), methods=[method]) for (method, path), call in endpoints.items()])


FAULTS: Mapping[str, Refused] = {
    "429": refused("RATE_LIMITED", "Rate limited.", status=429, category="RATE_LIMIT_ERROR"),
    "500": failed("INTERNAL_SERVER_ERROR", "An internal error occurred.", status=500),
    "503": failed("SERVICE_UNAVAILABLE", "An internal error occurred.", status=503),
    "expired_token": unauthorized("ACCESS_TOKEN_EXPIRED", "The access token has expired."),
}


def fault_response(kind: str, request: Request) -> Response:
    """Square's own form; a rate limit names a wait only where the rule does."""
    wait = wait_of(request, 0)
    return FAULTS[kind].response({"Retry-After": f"{wait:g}"} if kind == "429" and wait else None)


VENDOR = Vendor(serve=serve, fault_response=fault_response, secrets={"SQUARE_ACCESS_TOKEN": TOKEN})


def _orders(locations: Sequence[str], query: Asked, asked_first: str) -> Listing:
    wanted, sort, where = query.get("filter") or {}, query.get("sort") or {}, "query.filter.date_time_filter"
    for name, value in wanted.items():
        if value and name not in ("state_filter", "date_time_filter"):
            raise unsupported(f"filter orders by {name}", "query.filter")
    field = sort.get("sort_field") or "CREATED_AT"
    if field not in ORDER_TIMES:
        raise refused("INVALID_ENUM_VALUE", "sort_field is not valid.", "query.sort.sort_field")
    conditions = [one_of("route", list(locations))]
    if states := (wanted.get("state_filter") or {}).get("states"):
        if not ORDER_STATES.issuperset(states):
            raise refused("INVALID_ENUM_VALUE", "states is not valid.", "query.filter.state_filter.states")
        conditions.append(one_of("json_extract(body, '$.state')", states))
    ranges = {name: value for name, value in (wanted.get("date_time_filter") or {}).items() if value is not None}
    if len(ranges) > 1:
        raise refused("BAD_REQUEST", "Only one date time filter can be provided.", where)
    for name, value in ranges.items():
        if name.upper() != field:
            detail = f"Sort field {field} must match the date time filter {name}."
            raise refused("BAD_REQUEST", detail, "query.sort.sort_field")
        bounds = {**value, "end_at": value.get("end_at") or asked_first}
        conditions += _time_range(ORDER_TIMES[field], bounds, f"{where}.{name}")
    descending = _descending(sort.get("sort_order") or "DESC")
    return Listing("square", "orders", tuple(conditions), order=ORDER_TIMES[field], descending=descending)


def _customer_filter(field: str, wanted: Asked) -> list[Condition]:
    where = f"query.filter.{field}"
    if field in ("created_at", "updated_at"):
        return _time_range(field, wanted, where)
    if field in ("email_address", "phone_number", "reference_id") and wanted.get("exact"):
        return [Condition(f"lower(json_extract(body, '$.{field}')) = lower(?)", (wanted["exact"],))]
    if field == "creation_source":
        named = one_of("coalesce(json_extract(body, '$.creation_source'), '')", wanted.get("values") or [])
        included = wanted.get("rule", "INCLUDE") == "INCLUDE"
        return [named if included else named._replace(sql=f"NOT {named.sql}")]
    raise unsupported(f"filter customers by this {field}", where)


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


def _few(values: list[Any], most: int, field: str) -> list[Any]:
    if len(values) > most:
        raise refused("ARRAY_LENGTH_TOO_LONG", f"No more than {most} values are allowed.", field)
    return values


def _page_size(asked: Asked, *, default: int, most: int) -> int:
    size = asked.get("limit", default)
    if not isinstance(size, int) or isinstance(size, bool):
        raise refused("EXPECTED_INTEGER", "Expected an integer value.", "limit")
    if size < 1:
        raise refused("VALUE_TOO_LOW", "`limit` must be 1 or more.", "limit")
    if size > most:
        raise refused("VALUE_TOO_HIGH", f"`limit` must not be greater than {most}.", "limit")
    return size


def _asked(request: Request) -> Asked:
    """What a request asks for: its JSON, or its query, in which a number is a text; and the key in its path."""
    if request.method == "GET":
        query = dict(request.query_params)
        size = query.get("limit", "").removeprefix("-")
        return {**query, **request.path_params, **({"limit": int(query["limit"])} if size.isdigit() else {})}
    try:
        asked = json_body(request) or {}
    except ValueError:
        raise refused("EXPECTED_JSON_BODY", "The request body is not JSON.") from None
    if not isinstance(asked, dict):
        raise refused("EXPECTED_OBJECT", "Expected an object.")
    return {name: value for name, value in asked.items() if value is not None}


def _opened(asked: Asked, made_for: object) -> Place:
    try:
        return opened(asked.get("cursor"), made_for)
    except ValueError:
        detail = "The pagination cursor is invalid: use it with the query it was made for."
        raise refused("INVALID_CURSOR", detail, "cursor") from None


def _entry(record: Record) -> bytes:
    order = json.loads(record.body)
    shown = {"order_id": order["id"], "version": order.get("version"), "location_id": order["location_id"]}
    return json.dumps({name: value for name, value in shown.items() if value is not None}).encode()


def _whole(record: Record) -> bytes:
    """A record without a body is a deleted object of the catalogue."""
    return record.body or json.dumps({"id": record.key, "type": "ITEM", "is_deleted": True}).encode()
