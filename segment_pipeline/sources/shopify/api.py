"""Shopify's Admin GraphQL API as the source asks it: tokens, listings and their limits, and what errors in a 200 mean."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from segment_pipeline import redact
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.http import HttpClient, Response
from segment_pipeline.landing.raw import RawPages
from segment_pipeline.paging import graphql_next, walk
from segment_pipeline.sources.shopify import queries

HEADER = "X-Shopify-Access-Token"
SCOPES = ("read_orders", "read_all_orders", "read_customers", "read_products")
# A listing ends at 25,000 objects whatever there is; windows are halved well before that.
LISTING_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Listing:
    """How an entity is listed: the connection's field, the query, and the listings inside that are not walked further."""

    connection: str
    query: str
    nested: tuple[str, ...] = ()
    whole_days: bool = False


LISTINGS = {
    # The vendor says that this filter matches whole days: whole UTC days are asked for, the window's rows are kept.
    "customers": Listing("customers", queries.CUSTOMERS, whole_days=True),
    "products": Listing("products", queries.PRODUCTS, nested=("variants",)),
    "orders": Listing("orders", queries.ORDERS),
    "checkouts": Listing("abandonedCheckouts", queries.CHECKOUTS, nested=("lineItems",)),
}


class ClientCredentials:
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
            request.headers[HEADER] = self._token
        return request

    def refresh(self, rejected: requests.PreparedRequest) -> None:
        with self._lock:
            if rejected.headers.get(HEADER) == self._token:
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


class Pull:
    """One pull's queries and pages."""

    def __init__(
        self, client: HttpClient, path: str, into: RawPages, page_size: int, variables: Mapping[str, Any]
    ) -> None:
        self._client, self._path, self._into, self._size, self._variables = client, path, into, page_size, variables

    def ask(self, query: str, variables: Mapping[str, Any]) -> Any:
        return self._answer(query, variables).json()

    def _answer(self, query: str, variables: Mapping[str, Any]) -> Response:
        body = {"query": query, "variables": dict(variables)}
        return self._client.request("POST", self._path, json=body, idempotent=True)

    def walk(self, part: str, listing: Listing, start: datetime, end: datetime) -> int:
        """Every page of a listing in [start, end); returns how many records the shop says there are.

        Counted before and after: a record that changes meanwhile leaves the window, and the smaller number is the claim.
        """
        if listing.whole_days:
            start, end = _midnight(start), _midnight(end - timedelta(microseconds=1)) + timedelta(days=1)
        search = f"updated_at:>='{_text(start)}' updated_at:<'{_text(end)}'"
        said = self._count(listing, search)
        if said is None:
            middle = (start + (end - start) / 2).replace(microsecond=0)
            middle = _midnight(middle) if listing.whole_days else middle
            if not start < middle < end:
                raise ContractError(
                    f"shopify: {part} has more than {LISTING_LIMIT} records in the shortest window: use a bulk export"
                )
            return self.walk(part, listing, start, middle) + self.walk(part, listing, middle, end)
        self._pages(part, listing, search)
        after = self._count(listing, search)
        return said if after is None else min(said, after)

    def _count(self, listing: Listing, search: str) -> int | None:
        """None: more than one listing can give."""
        answer = self.ask(queries.count(f"{listing.connection}Count"), {"query": search, "limit": LISTING_LIMIT})
        found = (answer.get("data") or {}).get(f"{listing.connection}Count")
        if not isinstance(found, Mapping) or not isinstance(found.get("count"), int):
            raise ContractError(
                f"shopify: {listing.connection} was answered without a count: see whether the API changed"
            )
        return int(found["count"]) if found.get("precision") == "EXACT" else None

    def _pages(self, part: str, listing: Listing, search: str) -> None:
        def fetch(cursor: str | None) -> Mapping[str, Any]:
            while True:
                variables = {**self._variables, "first": self._size, "after": cursor, "query": search}
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

        walk(fetch, graphql_next, what=f"shopify {listing.connection}")

    def _rest(self, listing: Listing, nodes: Sequence[Any]) -> None:
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
                    f"shopify: a record of {listing.connection} has more than {self._variables['nested']} lines or variants:"
                    " set a larger `nested` and a smaller `page_size`"
                )
            lines = node.get("lineItems") if listing.connection == "orders" else None
            cursor = graphql_next(lines) if isinstance(lines, Mapping) else None
            if cursor:
                self._more_lines(str(node.get("id")), cursor)

    def _more_lines(self, order: str, cursor: str) -> None:
        def fetch(after: str | None) -> Mapping[str, Any]:
            answer = self.ask(
                queries.MORE_LINES, {"id": order, "after": after or cursor, "nested": self._variables["nested"]}
            )
            lines = ((answer.get("data") or {}).get("order") or {}).get("lineItems")
            if not isinstance(lines, Mapping):
                raise ContractError("shopify: the further lines of an order are gone: pull the window again")
            self._into.add_line("more_lines", answer)
            return lines

        walk(fetch, graphql_next, what="shopify lines of an order")


def classify(response: Response) -> SegmentPipelineError | None:
    """GraphQL says what went wrong in a 200's body; None: nothing did, or the status tells."""
    if response.status_code != 200 or b'"errors"' not in response.content:
        return None
    body = response.json()
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if not errors:
        return None
    said = [each for each in errors if isinstance(each, Mapping)] if isinstance(errors, list) else [{}]
    codes = {str((each.get("extensions") or {}).get("code") or "unknown") for each in said}
    if "THROTTLED" in codes:
        return TransientError(
            "shopify: the query was throttled: it is tried again when points are back", retry_after=_wait(body)
        )
    if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        return TransientError("shopify: the query failed at the server: it is tried again")
    if "MAX_COST_EXCEEDED" in codes:
        return _TooCostlyError("shopify: one record costs more than a query may: set a smaller `nested`")
    if "ACCESS_DENIED" in codes:
        return ConfigError(f"shopify: a field was not allowed: give the app {', '.join(SCOPES)}")
    named = ", ".join(sorted(redact.code(code) for code in codes))
    return ContractError(
        f"shopify: the query was answered with errors ({named}): see whether the API version still has its fields"
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


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
