"""Shopify: customers, products, orders with refunds, and abandoned checkouts, by the Admin GraphQL API.

Holds requests, listings and their limits; what the records mean is in sql/*.sql. Of a customer merge a pull sees the
surviving account and its orders under the new id; the id that is gone, like a deleted record, vanishes without a word.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import dagster as dg
import requests
from pydantic import Field

from segment_pipeline import redact
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.http import HttpClient, Response, RetryPolicy
from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import FLAG, INTEGER, Fill, Record, a_time, text
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity, Kind, Part, secret
from segment_pipeline.landing.standard import CONSENTS, ORDER_LINES, ORDER_TOTALS
from segment_pipeline.paging import graphql_next, pages
from segment_pipeline.sources.shopify import queries

_sql = partial(statement, "sources/shopify")

# Names of variables.
TOKEN, CLIENT_ID, CLIENT_SECRET = "SHOPIFY_ACCESS_TOKEN", "SHOPIFY_CLIENT_ID", "SHOPIFY_CLIENT_SECRET"
# A listing ends at 25,000 objects whatever there is; windows are halved well before that.
LISTING_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class _Listing:
    """How an entity is listed: the connection's field, its count's field, the query, and what else it takes."""

    connection: str
    count: str
    query: str
    whole_days: bool = False
    nested: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)


class Shopify(dg.ConfigurableResource[None]):
    """One Shopify shop. `base_url` is https://<shop>.myshopify.com.

    With an access token (here or in SHOPIFY_ACCESS_TOKEN) that token is used; otherwise client id and secret (here or in
    SHOPIFY_CLIENT_ID, SHOPIFY_CLIENT_SECRET) get one that lives 24 hours and is renewed when the shop refuses it.
    `page_size` is halved by itself when the shop finds a query too costly. `nested`: how many lines of an order come with it.
    `*_metafield`: namespace.key of what Shopify has no field for.
    """

    name: ClassVar[str] = "shopify"

    base_url: str
    access_token: str = Field(default="", repr=False)
    client_id: str = Field(default="", repr=False)
    client_secret: str = Field(default="", repr=False)
    version: str = "2026-10"
    page_size: int = Field(default=50, ge=1, le=250)
    nested: int = Field(default=20, ge=1, le=250)
    look_back: int = Field(default=1, ge=0)
    gender_metafield: str = "custom.gender"
    birth_date_metafield: str = "custom.birth_date"
    department_metafield: str = "custom.department"
    launched_on_metafield: str = "custom.launched_on"

    @property
    def entities(self) -> tuple[Entity, ...]:
        return (
            Entity(
                "customers",
                Kind.MUTABLE,
                (Part("customers", ("data", "customers", "nodes")),),
                Record(
                    key="legacyResourceId",
                    updated="updatedAt",
                    created="createdAt",
                    email="defaultEmailAddress.emailAddress",
                    phone="defaultPhoneNumber.phoneNumber",
                    phone_country="defaultAddress.countryCodeV2",
                    fields={
                        **text("firstName lastName locale gender.value birthDate.value"),
                        **text("defaultEmailAddress.marketingState defaultEmailAddress.marketingUpdatedAt"),
                        "defaultPhoneNumber.smsMarketingConsent": text("state updatedAt"),
                        "defaultAddress": text("address1 city provinceCode zip"),
                        "dataSaleOptOut": FLAG,
                    },
                    columns={
                        "mail_said_at": a_time("r.defaultEmailAddress.marketingUpdatedAt"),
                        "sms_said_at": a_time("r.defaultPhoneNumber.smsMarketingConsent.updatedAt"),
                    },
                ),
                (
                    Fill(
                        "customers",
                        _sql("customers"),
                        absent="owner_key loyalty_id loyalty_balance deleted_on",
                        one_per_record=True,
                    ),
                    Fill("consents", CONSENTS),
                ),
                look_back=self.look_back,
                dimension=True,
                prepare=(_sql("said"),),
                description="accounts, with marketing consents and data sale opt-outs",
            ),
            Entity(
                "products",
                Kind.MUTABLE,
                (Part("products", ("data", "products", "nodes")),),
                Record(
                    key="legacyResourceId",
                    updated="updatedAt",
                    fields={
                        **text(
                            "title vendor productType publishedAt category.name collections.nodes[].title variants.nodes[].sku"
                        ),
                        **text("department.value launchedOn.value"),
                        "priceRangeV2.minVariantPrice": text("amount currencyCode"),
                    },
                ),
                (Fill("products", _sql("products"), absent="deleted_on", one_per_record=True),),
                look_back=self.look_back,
                dimension=True,
                description="products with department, category, collection and launch day",
            ),
            Entity(
                "orders",
                Kind.MUTABLE,
                (Part("orders", ("data", "orders", "nodes")), Part("more_lines"), Part("shop")),
                Record(
                    key="legacyResourceId",
                    needs=("id",),
                    updated="updatedAt",
                    created="createdAt",
                    business=("processedAt", "createdAt"),
                    email="email",
                    phone=("phone", "shippingAddress.phone", "billingAddress.phone"),
                    phone_country=("shippingAddress.countryCodeV2", "billingAddress.countryCodeV2"),
                    fields={
                        **text(
                            "cancelledAt sourceName attribution.handle retailLocation.id customer.legacyResourceId currencyCode"
                        ),
                        **text(
                            "displayFinancialStatus discountCodes[] customerJourneySummary.lastVisit.utmParameters.campaign"
                        ),
                        "test": FLAG,
                        "lineItems.nodes[]": {
                            **text("id product.legacyResourceId originalTotalSet.shopMoney.amount"),
                            **text(
                                "discountAllocations[].allocatedAmountSet.shopMoney.amount discountAllocations[].discountApplication.__typename"
                            ),
                            "quantity": INTEGER,
                            "isGiftCard": FLAG,
                        },
                        "refunds[]": {
                            **text("legacyResourceId createdAt processedAt totalRefundedSet.shopMoney.amount"),
                            "refundLineItems.nodes[]": {
                                **text("lineItem.id subtotalSet.shopMoney.amount"),
                                "lineItem.isGiftCard": FLAG,
                            },
                        },
                    },
                    joins={_sql("zone"): "TRUE"},
                    columns={"timezone": "zone.timezone", "currency": "r.currencyCode"},
                    reasons={
                        "no currency": "currency IS NULL",
                        "lineItems is not a list": "r.lineItems.nodes IS NULL",
                        "a line without id or amount": f"len(list_filter(r.lineItems.nodes, LAMBDA l: l.id IS NULL OR {_amount('l.originalTotalSet')} IS NULL)) > 0",
                        "a refund without id, time or amount": "len(list_filter(r.refunds, LAMBDA f: f.legacyResourceId IS NULL OR "
                        f"{_amount('f.totalRefundedSet')} IS NULL OR coalesce({a_time('f.processedAt')}, {a_time('f.createdAt')}) IS NULL)) > 0",
                    },
                ),
                (
                    Fill("order_lines", ORDER_LINES),
                    Fill("refunds", _sql("refunds")),
                    Fill("orders", _sql("orders"), absent="parent_order_key anonymous_id", one_per_record=True),
                ),
                look_back=self.look_back,
                prepare=(_sql("order_items"), ORDER_TOTALS),
                description="orders of guests and accounts, their lines and refunds",
            ),
            Entity(
                "checkouts",
                Kind.MUTABLE,
                (Part("checkouts", ("data", "abandonedCheckouts", "nodes")),),
                Record(
                    key="list_aggregate(string_split(r.id, '/'), 'last')",
                    updated="updatedAt",
                    created="createdAt",
                    email="customer.defaultEmailAddress.emailAddress",
                    phone=("customer.defaultPhoneNumber.phoneNumber", "shippingAddress.phone", "billingAddress.phone"),
                    phone_country=("shippingAddress.countryCodeV2", "billingAddress.countryCodeV2"),
                    fields={
                        **text("id completedAt customer.legacyResourceId"),
                        "subtotalPriceSet.shopMoney": text("amount currencyCode"),
                        "lineItems.nodes[]": {**text("sku title product.legacyResourceId"), "quantity": INTEGER},
                    },
                    reasons={
                        "no amount": f"{_amount('r.subtotalPriceSet')} IS NULL OR r.subtotalPriceSet.shopMoney.currencyCode IS NULL",
                        "lineItems is not a list": "r.lineItems.nodes IS NULL",
                    },
                ),
                (Fill("carts", _sql("carts"), absent="anonymous_id", one_per_record=True),),
                look_back=self.look_back,
                description="checkouts left, and those completed later",
            ),
        )

    def check(self) -> None:
        self._auth()

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        start, end = window.instants(timezone)
        with self._client() as client:
            pull = _Pull(client, f"/admin/api/{self.version}/graphql.json", into, self.page_size, self.nested)
            listing = self._listing(entity.name)
            if entity.name == "orders":
                into.add_line("shop", pull.ask(queries.SHOP, {}))
            if listing.whole_days:
                start = start.replace(hour=0, minute=0, second=0, microsecond=0)
                end = (end - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
                    days=1
                )
            said = pull.walk(entity.name, listing, start, end)
            return into.finish(requests=client.requests, said=said)

    def _listing(self, entity: str) -> _Listing:
        match entity:
            case "customers":
                gender, birth = _metafield(self.gender_metafield), _metafield(self.birth_date_metafield)
                variables = {
                    "genderSpace": gender[0],
                    "genderKey": gender[1],
                    "birthSpace": birth[0],
                    "birthKey": birth[1],
                }
                # The vendor says that this filter matches whole days: whole UTC days are asked for, the window's rows are kept.
                return _Listing("customers", "customersCount", queries.CUSTOMERS, whole_days=True, variables=variables)
            case "products":
                department, launch = _metafield(self.department_metafield), _metafield(self.launched_on_metafield)
                shop_fields: dict[str, Any] = {
                    "departmentSpace": department[0],
                    "departmentKey": department[1],
                    "launchSpace": launch[0],
                    "launchKey": launch[1],
                    "nested": self.nested,
                }
                return _Listing(
                    "products", "productsCount", queries.PRODUCTS, nested=("variants",), variables=shop_fields
                )
            case "orders":
                return _Listing("orders", "ordersCount", queries.ORDERS, variables={"nested": self.nested})
            case _:
                return _Listing(
                    "abandonedCheckouts",
                    "abandonedCheckoutsCount",
                    queries.CHECKOUTS,
                    nested=("lineItems",),
                    variables={"nested": self.nested},
                )

    def _auth(self) -> "_Token | _ClientCredentials":
        try:
            return _Token(secret(self.access_token, TOKEN, self.name))
        except ConfigError:
            identity = secret(self.client_id, CLIENT_ID, self.name)
            return _ClientCredentials(self.base_url, identity, secret(self.client_secret, CLIENT_SECRET, self.name))

    def _client(self) -> HttpClient:
        return HttpClient(
            self.base_url,
            name=self.name,
            auth=self._auth(),
            headers={"Content-Type": "application/json"},
            retry=RetryPolicy(attempts=12),
            classify=_classify,
        )


class _Token:
    """An access token that does not expire."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Shopify-Access-Token"] = self._token
        return request


class _ClientCredentials:
    """A token from the client-credentials grant, got when first needed and again when the shop refuses it."""

    def __init__(self, base_url: str, client_id: str, client_secret: str) -> None:
        self._client = HttpClient(base_url, name="shopify")
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._lock = threading.Lock()
        self._token = ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        with self._lock:
            if not self._token:
                self._get()
            request.headers["X-Shopify-Access-Token"] = self._token
        return request

    def refresh(self, rejected: requests.PreparedRequest) -> None:
        with self._lock:
            if rejected.headers.get("X-Shopify-Access-Token") == self._token:
                self._get()

    def _get(self) -> None:
        answer = self._client.json("POST", "/admin/oauth/access_token", data=self._form, idempotent=True)
        token = answer.get("access_token") if isinstance(answer, Mapping) else None
        if not isinstance(token, str) or not token:
            raise ContractError(
                "shopify: the token request was answered without an access_token: check the app's grant"
            )
        self._token = token


class _TooCostlyError(ContractError):
    """The query costs more than a query may: ask for fewer nodes at once."""


class _Pull:
    """One pull's queries and pages."""

    def __init__(self, client: HttpClient, path: str, into: RawPages, page_size: int, nested: int) -> None:
        self._client, self._path, self._into, self._size, self._nested = client, path, into, page_size, nested

    def ask(self, query: str, variables: Mapping[str, Any]) -> Any:
        return self._answer(query, variables).json()

    def _answer(self, query: str, variables: Mapping[str, Any]) -> Response:
        body = {"query": query, "variables": dict(variables)}
        return self._client.request("POST", self._path, json=body, idempotent=True)

    def walk(self, part: str, listing: _Listing, start: datetime, end: datetime) -> int:
        """Every page of a listing in [start, end); returns how many records the shop says there are.

        Counted before and after: a record that changes meanwhile leaves the window, and the smaller number is the claim.
        """
        search = f"updated_at:>='{_text(start)}' updated_at:<'{_text(end)}'"
        said = self._count(listing, search)
        if said is None:
            middle = start + (end - start) / 2
            if listing.whole_days:
                middle = middle.replace(hour=0, minute=0, second=0, microsecond=0)
            middle = middle.replace(microsecond=0)
            if not start < middle < end:
                raise ContractError(
                    f"shopify: {part} has more than {LISTING_LIMIT} records in the shortest window: use a bulk export"
                )
            return self.walk(part, listing, start, middle) + self.walk(part, listing, middle, end)
        self._pages(part, listing, search)
        after = self._count(listing, search)
        return said if after is None else min(said, after)

    def _count(self, listing: _Listing, search: str) -> int | None:
        """None: more than one listing can give."""
        answer = self.ask(queries.count(listing.count), {"query": search, "limit": LISTING_LIMIT})
        found = (answer.get("data") or {}).get(listing.count)
        if not isinstance(found, Mapping) or not isinstance(found.get("count"), int):
            raise ContractError(f"shopify: {listing.count} was answered without a count: see whether the API changed")
        return int(found["count"]) if found.get("precision") == "EXACT" else None

    def _pages(self, part: str, listing: _Listing, search: str) -> None:
        def fetch(cursor: str | None) -> Mapping[str, Any]:
            while True:
                variables = {**listing.variables, "first": self._size, "after": cursor, "query": search}
                try:
                    answer = self._answer(listing.query, variables)
                except _TooCostlyError:
                    if self._size == 1:
                        raise
                    self._size //= 2
                    continue
                connection = (answer.json().get("data") or {}).get(listing.connection)
                if not isinstance(connection, Mapping) or not isinstance(connection.get("nodes"), list):
                    raise ContractError(
                        f"shopify: {listing.connection} was answered without nodes: see whether the API changed"
                    )
                self._into.add(part, answer.content, records=len(connection["nodes"]))
                self._rest(listing, connection["nodes"])
                return connection

        for _ in pages(fetch, graphql_next, what=f"shopify {listing.connection}"):
            pass

    def _rest(self, listing: _Listing, nodes: Sequence[Any]) -> None:
        """What did not fit into the nested listings of a page."""
        for node in nodes:
            if not isinstance(node, Mapping):
                continue
            inner = [node.get(name) for name in listing.nested]
            inner += [
                refund.get("refundLineItems") for refund in node.get("refunds") or () if isinstance(refund, Mapping)
            ]
            if any(isinstance(each, Mapping) and graphql_next(each) for each in inner):
                raise ContractError(
                    f"shopify: a record of {listing.connection} has more than {self._nested} lines or variants:"
                    " set a larger `nested` and a smaller `page_size`"
                )
            lines = node.get("lineItems") if listing.connection == "orders" else None
            cursor = graphql_next(lines) if isinstance(lines, Mapping) else None
            if cursor:
                self._more_lines(str(node.get("id")), cursor)

    def _more_lines(self, order: str, cursor: str) -> None:
        def fetch(after: str | None) -> Mapping[str, Any]:
            answer = self.ask(queries.MORE_LINES, {"id": order, "after": after or cursor, "nested": self._nested})
            lines = ((answer.get("data") or {}).get("order") or {}).get("lineItems")
            if not isinstance(lines, Mapping):
                raise ContractError("shopify: the further lines of an order are gone: pull the window again")
            self._into.add_line("more_lines", answer)
            return lines

        for _ in pages(fetch, graphql_next, what="shopify lines of an order"):
            pass


def _classify(response: Response) -> SegmentPipelineError | None:
    """GraphQL says what went wrong in a 200's body; None: nothing did, or the status tells."""
    if response.status_code != 200 or b'"errors"' not in response.content:
        return None
    body = response.json()
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if not errors:
        return None
    codes = (
        {
            str((error.get("extensions") or {}).get("code") or "unknown")
            for error in errors
            if isinstance(error, Mapping)
        }
        if isinstance(errors, list)
        else {"unknown"}
    )
    if "THROTTLED" in codes:
        return TransientError(
            "shopify: the query was throttled: it is tried again when points are back", retry_after=_wait(body)
        )
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        return TransientError("shopify: the query failed at the server: it is tried again")
    if "MAX_COST_EXCEEDED" in codes:
        return _TooCostlyError("shopify: one record costs more than a query may: set a smaller `nested`")
    if "ACCESS_DENIED" in codes:
        return ConfigError(
            "shopify: a field was not allowed: give the app read_orders, read_all_orders, read_customers and read_products"
        )
    said = ", ".join(sorted(redact.code(code) for code in codes))
    return ContractError(
        f"shopify: the query was answered with errors ({said}): see whether the API version still has its fields"
    )


def _wait(body: Mapping[str, Any]) -> float:
    """Seconds until the bucket holds what the query asked for."""
    cost = (body.get("extensions") or {}).get("cost") or {}
    throttle = cost.get("throttleStatus") or {}
    try:
        missing = float(cost["requestedQueryCost"]) - float(throttle["currentlyAvailable"])
        return max(0.1, missing / float(throttle["restoreRate"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 1.0


def _amount(bag: str) -> str:
    return f"TRY_CAST({bag}.shopMoney.amount AS DECIMAL(18,4))"


def _metafield(text: str) -> tuple[str, str]:
    space, _, key = text.rpartition(".")
    if not space or not key:
        raise ConfigError(
            "a metafield of the source shopify is named namespace.key, such as custom.gender: correct its setting"
        )
    return space, key


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
