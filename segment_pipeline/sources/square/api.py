"""Square's listings: what is asked for, walked to the end, each page kept as it came."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.http import HttpClient, Response
from segment_pipeline.landing.raw import RawPages
from segment_pipeline.paging import cursor_field, walk

LOCATIONS_PER_CALL = 10
CUSTOMERS_PER_CALL = 100
# What each listing takes, by the beginning of its path.
PERMISSIONS = {
    "/v2/locations": "MERCHANT_PROFILE_READ",
    "/v2/customers": "CUSTOMERS_READ",
    "/v2/loyalty": "LOYALTY_READ",
    "/v2/catalog": "ITEMS_READ",
    "/v2/orders": "ORDERS_READ",
}


def allowed(name: str, client: HttpClient, method: str, path: str, *, missing: bool = False, **asks: Any) -> Response:
    """An answer; ConfigError naming the permission where the token lacks it. `missing`: 404 is an answer too."""
    expect = {403, 404} if missing else {403}
    answer = client.request(method, path, idempotent=True, expect=expect, **asks)
    if answer.status_code == 403:
        permission = next(needed for begin, needed in PERMISSIONS.items() if path.startswith(begin))
        raise ConfigError(
            f"source {name}: its access token lacks the permission {permission}: give it to the application"
        )
    return answer


class Api:
    """The listings of one pull."""

    def __init__(self, client: HttpClient, into: RawPages, page_size: int) -> None:
        self._client, self._into, self._page_size = client, into, page_size

    def locations(self) -> list[str]:
        """Ids of every location, closed ones included."""
        answer = self._ask("GET", "/v2/locations")
        self._keep("locations", answer.content, "locations")
        ids = [record.get("id") for record in answer.json().get("locations", []) if isinstance(record, Mapping)]
        return sorted(key for key in ids if isinstance(key, str) and key)

    def customers(self, start: datetime, end: datetime) -> int | None:
        """Customers changed since, and the stores for their country; returns how many Square says there are, without those made from card data alone."""
        self.locations()
        self._walk("groups", "/v2/customers/groups", {}, "groups", largest=50, method="GET")
        # Profiles made from card data alone, without any contact field, are neither listed nor counted.
        asked = {"count": True, "query": {"filter": {"updated_at": _range(start, end)}}}
        return self._walk("customers", "/v2/customers/search", asked, "customers", largest=100)

    def gone(self, keys: Sequence[str]) -> dict[str, str | None]:
        """Which of these customers are not there any more, and into which each was merged.

        A merge makes a new customer, which is what the id of one that went into it is answered with. One that is not found alone is
        gone: search and listings leave out customers without a name or contact as well.
        """
        there: set[str] = set()
        for first in range(0, len(keys), CUSTOMERS_PER_CALL):
            asked = {"customer_ids": keys[first : first + CUSTOMERS_PER_CALL]}
            answers = self._ask("POST", "/v2/customers/bulk-retrieve", json=asked).json().get("responses")
            if not isinstance(answers, Mapping):
                raise ContractError(
                    "square: customers by id were answered without responses: see whether the API changed"
                )
            there |= {key for key, answer in answers.items() if _id(answer) == key}
        return {key: survivor for key in keys if key not in there and (survivor := self._survivor(key)) != key}

    def _survivor(self, key: str) -> str | None:
        """The id a customer is answered under; None: it is not found."""
        answer = self._ask("GET", f"/v2/customers/{quote(key, safe='')}", missing=True)
        if answer.status_code == 404:
            return None
        found = _id(answer.json())
        if found is None:
            raise ContractError("square: a customer was answered without an id: see whether the API changed")
        return found

    def loyalty(self) -> None:
        """No filter by time: the whole listing, of which the window's changes are kept, and the stores for their country."""
        self.locations()
        self._walk("accounts", "/v2/loyalty/accounts/search", {}, "loyalty_accounts", largest=200)

    def catalog(self, start: datetime) -> None:
        path = "/v2/catalog/search"
        self._walk("categories", path, {"object_types": ["CATEGORY"]}, "objects")
        # begin_time itself is excluded.
        after = _text(start - timedelta(milliseconds=1))
        asked = {"object_types": ["ITEM"], "include_deleted_objects": True, "begin_time": after}
        self._walk("items", path, asked, "objects")

    def orders(self, start: datetime, end: datetime, parallel: int) -> None:
        stores = self.locations()
        chunks = [stores[first : first + LOCATIONS_PER_CALL] for first in range(0, len(stores), LOCATIONS_PER_CALL)]
        query = {
            "filter": {"date_time_filter": {"updated_at": _range(start, end)}},
            "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
        }

        def chunk(number: int) -> None:
            asked = {"location_ids": chunks[number], "return_entries": False, "query": query}
            self._walk("orders", "/v2/orders/search", asked, "orders", at=f"{number:05d}")

        with ThreadPoolExecutor(parallel, thread_name_prefix="square") as pool:
            # Listed, so that the first failure is raised.
            list(pool.map(chunk, range(len(chunks))))

    def _walk(
        self,
        part: str,
        path: str,
        asked: Mapping[str, Any],
        records: str,
        *,
        largest: int = 1000,
        at: str = "",
        method: str = "POST",
    ) -> int | None:
        """Keep every page; returns the smallest count the pages gave, None without one."""
        counts: list[int] = []

        def fetch(cursor: str | None) -> Mapping[str, Any]:
            # The query must be the same on each page; only the cursor is added.
            query = {**asked, "limit": min(self._page_size, largest), **({"cursor": cursor} if cursor else {})}
            answer = self._ask(method, path, **({"params": query} if method == "GET" else {"json": query}))
            envelope = self._keep(part, answer.content, records, at)
            if isinstance(envelope["count"], int):
                counts.append(envelope["count"])
            return envelope

        walk(fetch, cursor_field(), what=f"square {path}")
        return min(counts, default=None)

    def _ask(self, method: str, path: str, **asks: Any) -> Response:
        return allowed(self._into.source, self._client, method, path, **asks)

    def _keep(self, part: str, content: bytes, records: str, at: str = "") -> Mapping[str, Any]:
        # An empty listing is an object without the list.
        envelope = self._into.keep(part, content, records, ("cursor", "errors", "count"), at=at)
        if envelope["errors"]:
            raise ContractError(
                f"square: a page of {part} came with errors although it was answered: pull the window again"
            )
        return envelope


def _id(answer: Any) -> str | None:
    customer = answer.get("customer") if isinstance(answer, Mapping) else None
    found = customer.get("id") if isinstance(customer, Mapping) else None
    return found if isinstance(found, str) and found else None


def _range(start: datetime, end: datetime) -> dict[str, str]:
    # Both ends are taken as included: a record at the end of the window is left out by its day.
    return {"start_at": _text(start), "end_at": _text(end)}


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
