"""Shopify's Admin GraphQL API as the source asks it: tokens, listings and their limits, and the lists inside records.

What answers say beside their data is in `answers`.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.http import HttpClient, Response
from segment_pipeline.landing.raw import PAGE_BYTES, RawPages
from segment_pipeline.paging import graphql_next, walk
from segment_pipeline.sources.shopify import answers, queries

if TYPE_CHECKING:
    from requests import PreparedRequest

HEADER = "X-Shopify-Access-Token"
# A listing ends at 25,000 objects whatever there is; windows are halved well before that.
LISTING_LIMIT = 20_000
LARGEST_PAGE = 250
# So many records without any protected field are no chance.
NONE_PROTECTED = 20
# Lists inside records are continued one record at a time, so that more of one list fits into a query than of fifty.
LARGEST_REST = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """How an entity is listed: the connection's field, the query, and the scopes without which it is not there or not whole.

    `largest`: as many records a page may have and still cost what a query may, with the lists inside at their default.
    `protected`: fields of which a record has one, unless the app is not approved for them: then they are NULL in every record.
    """

    connection: str
    query: str
    scopes: tuple[str, ...]
    whole_days: bool = False
    largest: int = LARGEST_PAGE
    protected: tuple[str, ...] = ()


LISTINGS = {
    # The vendor says that this filter matches whole days: whole UTC days are asked for, the window's rows are kept.
    "customers": Listing(
        "customers",
        queries.CUSTOMERS,
        ("read_customers",),
        whole_days=True,
        protected=("firstName", "lastName", "defaultEmailAddress", "defaultPhoneNumber", "defaultAddress"),
    ),
    "products": Listing("products", queries.PRODUCTS, ("read_products",)),
    # Orders name customers and products.
    "orders": Listing("orders", queries.ORDERS, answers.SCOPES, largest=25),
    "checkouts": Listing("abandonedCheckouts", queries.CHECKOUTS, ("read_orders", "read_customers", "read_products")),
}


class ClientCredentials:
    """A token from the client-credentials grant, got when first needed and again when the shop refuses it."""

    def __init__(self, base_url: str, client_id: str, client_secret: str) -> None:
        self._client = HttpClient(base_url, name="shopify")
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._lock = threading.Lock()
        self._token = ""

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        with self._lock:
            if not self._token:
                self._get()
            request.headers[HEADER] = self._token
        return request

    def refresh(self, rejected: "PreparedRequest") -> None:
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


class Api:
    """Queries of one API version; `fell_forward`: what there is to say of answers by another one."""

    def __init__(self, client: HttpClient, version: str) -> None:
        self._client, self._version = client, version
        self.fell_forward: str | None = None

    def answer(self, query: str, variables: Mapping[str, Any] | None = None) -> Response:
        body = {"query": query, "variables": dict(variables or {})}
        answer = self._client.request("POST", f"/admin/api/{self._version}/graphql.json", json=body, idempotent=True)
        self.fell_forward = answers.fell_forward(answer, self._version) or self.fell_forward
        return answer

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        return self.answer(query, variables).json()

    def require(self, name: str, scopes: tuple[str, ...]) -> None:
        """Raises ConfigError naming a scope the app lacks: what it hides is not counted either, so no count would tell."""
        if error := answers.lacking(name, scopes, answers.granted(self.ask(queries.SCOPES))):
            raise error


class Pull:
    """One listing's pages, each record with its lists to their end."""

    def __init__(  # noqa: PLR0917 - of what, into what, and how much at once
        self, api: Api, part: str, listing: Listing, into: RawPages, page_size: int, variables: Mapping[str, Any]
    ) -> None:
        self._api, self._part, self._listing, self._into = api, part, listing, into
        self._received = self._named = 0
        self._size, self._variables = min(page_size, listing.largest), dict(variables)
        if "nested" in self._variables:
            self._variables["nested"] = min(self._variables["nested"], LARGEST_PAGE)

    def walk(self, start: datetime, end: datetime) -> int:
        """Every page in [start, end); returns how many records the shop says there are.

        Counted before and after: a record that changes meanwhile leaves the window, and the smaller number is the claim.
        """
        if self._listing.whole_days:
            start, end = _midnight(start), _midnight(end - timedelta(microseconds=1)) + timedelta(days=1)
        search = f"updated_at:>='{_text(start)}' updated_at:<'{_text(end)}'"
        said = self._count(search)
        if said is not None:
            return self._listed(search, said)
        middle = (start + (end - start) / 2).replace(microsecond=0)
        middle = _midnight(middle) if self._listing.whole_days else middle
        if start < middle < end:
            return self.walk(start, middle) + self.walk(middle, end)
        return self._by_id(search, *self._ends(search))

    def _is_named(self, node: Any) -> bool:
        return isinstance(node, Mapping) and any(node.get(name) for name in self._listing.protected)

    def require_names(self) -> None:
        """Raises ConfigError where nobody received has any: without the vendor's approval there may be NULL instead of an error."""
        if self._listing.protected and self._received >= NONE_PROTECTED and not self._named:
            raise ConfigError(
                f"shopify: none of {self._received} {self._listing.connection} has a name, an address, an e-mail or a phone:"
                f" {answers.NOT_APPROVED}"
            )

    def _by_id(self, search: str, first: int, last: int) -> int:
        """Records that are too many for one listing and of one time: in ranges of their ids."""
        ranged = f"{search} id:>={first} id:<={last}"
        said = self._count(ranged)
        if said is not None:
            return self._listed(ranged, said)
        if first >= last:
            raise ContractError(
                f"shopify: {self._listing.connection} of one id were said to be more than {LISTING_LIMIT}:"
                " see whether the API still filters by id"
            )
        middle = (first + last) // 2
        return self._by_id(search, first, middle) + self._by_id(search, middle + 1, last)

    def _ends(self, search: str) -> tuple[int, int]:
        """The smallest and the largest id that a search finds."""
        answer = self._api.ask(queries.ends(self._listing.connection), {"query": search})
        try:
            first, last = (
                int(answer["data"][end]["nodes"][0]["id"].rpartition("/")[2]) for end in ("smallest", "largest")
            )
        except (KeyError, TypeError, IndexError, ValueError):
            raise ContractError(
                f"shopify: {self._listing.connection} by id were answered without ids: see whether the API changed"
            ) from None
        return first, last

    def _listed(self, search: str, said: int) -> int:
        self._pages(search)
        after = self._count(search)
        return said if after is None else min(said, after)

    def _count(self, search: str) -> int | None:
        """None: more than one listing can give."""
        field = f"{self._listing.connection}Count"
        answer = self._api.ask(queries.count(field), {"query": search, "limit": LISTING_LIMIT})
        found = (answer.get("data") or {}).get(field)
        if not isinstance(found, Mapping) or not isinstance(found.get("count"), int):
            raise ContractError(
                f"shopify: {self._listing.connection} was answered without a count: see whether the API changed"
            )
        return int(found["count"]) if found.get("precision") == "EXACT" else None

    def _pages(self, search: str) -> None:
        def fetch(cursor: str | None) -> Mapping[str, Any]:
            answer = self._page(search, cursor)
            body = answer.json()
            connection = (body.get("data") or {}).get(self._listing.connection)
            if not isinstance(connection, Mapping) or not isinstance(connection.get("nodes"), list):
                raise ContractError(
                    f"shopify: {self._listing.connection} was answered without nodes: see whether the API changed"
                )
            # A page is kept as it came, unless a record's list goes on.
            completed = self._complete(connection["nodes"])
            content = json.dumps(body).encode() if completed else answer.content
            self._into.add(self._part, content, records=len(connection["nodes"]))
            self._received += len(connection["nodes"])
            self._named += sum(self._is_named(each) for each in connection["nodes"])
            return connection

        walk(fetch, graphql_next, what=f"shopify {self._listing.connection}")

    def _page(self, search: str, cursor: str | None) -> Response:
        """A page of as many records as one answer can hold: halved when they are too much, down to one on its own."""
        while True:
            variables = {**self._variables, "first": self._size, "after": cursor, "query": search}
            try:
                answer = self._api.answer(self._listing.query, variables)
            except answers.TooMuchError as error:
                if not self._smaller():
                    raise error.alone from None
                continue
            if len(answer.content) <= PAGE_BYTES or not self._smaller():
                return answer

    def _smaller(self) -> bool:
        """Ask for half as much from now on; False: it is the least already."""
        if self._size > 1:
            self._size //= 2
        elif self._variables.get("nested", 1) > 1:
            self._variables["nested"] //= 2
        else:
            return False
        return True

    def _complete(self, held: Any) -> bool:
        """Continue every list inside, whatever its depth, to its end; whether there was one to continue."""
        if isinstance(held, list):
            return sum(self._complete(each) for each in held) > 0
        if not isinstance(held, dict):
            return False
        continued = 0
        for field, value in held.items():
            if isinstance(value, dict) and "pageInfo" in value and graphql_next(value):
                continued += self._continue(held, field, value)
            continued += self._complete(value)
        return continued > 0

    def _continue(self, owner: Mapping[str, Any], field: str, connection: dict[str, Any]) -> bool:
        """Add the rest of a list. A record that is gone meanwhile stays without its end: landing refuses it by that."""
        kind = str(owner.get("id")).rpartition("/")[0].rpartition("/")[2]
        if (kind, field) not in queries.NESTED:
            raise ContractError(f"shopify: {field} of a record goes on and nobody says how to ask for the rest")
        rest: list[Any] = []
        start = graphql_next(connection)

        def fetch(cursor: str | None) -> Mapping[str, Any]:
            variables = {"id": owner["id"], "after": cursor or start, "first": LARGEST_REST}
            answer = self._api.ask(queries.more(kind, field), variables)
            found = ((answer.get("data") or {}).get("node") or {}).get(field)
            if not isinstance(found, Mapping) or not isinstance(found.get("nodes"), list):
                raise _GoneError
            rest.extend(found["nodes"])
            return found

        try:
            walk(fetch, graphql_next, what=f"shopify {field} of a record")
        except _GoneError:
            return False
        connection["nodes"] = [*connection["nodes"], *rest]
        connection["pageInfo"] = {"hasNextPage": False, "endCursor": None}
        return True


class _GoneError(Exception):
    """The record whose list was to be continued is not there any more."""


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
