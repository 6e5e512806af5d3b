"""Square: locations, customers, loyalty accounts, the catalog and orders, by its REST API.

Holds requests and listings; what the records mean is in sql/*.sql. Returns and exchanges are orders of their own.
Square shows neither deleted nor merged-away customers in a window: they stay as last seen.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import dagster as dg
import requests
from pydantic import Field

from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError
from segment_pipeline.http import HttpClient, RetryPolicy
from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import FLAG, INTEGER, JSON, NUMBER, TEXT, Fill, Record, text
from segment_pipeline.landing.raw import Envelopes, Pulled, RawPages
from segment_pipeline.landing.source import Entity, Kind, Part, secret
from segment_pipeline.landing.standard import CONSENTS, MINOR_UNITS, ORDER_LINES, ORDER_TOTALS
from segment_pipeline.paging import cursor_field, pages

_sql = partial(statement, "sources/square")

_LINE = {
    **text("uid catalog_object_id quantity item_type total_money.currency"),
    **{
        f"{name}.amount": INTEGER
        for name in ("total_money", "total_discount_money", "total_tax_money", "total_service_charge_money")
    },
}
# Who an online order goes to, whichever way it goes.
_RECIPIENT = [f"fulfillments[1].{way}_details.recipient" for way in ("pickup", "shipment", "delivery")]

LOCATIONS_PER_CALL = 10
TOKEN = "SQUARE_ACCESS_TOKEN"  # noqa: S105 - the name of a variable

GROUP_ATTRIBUTES = {
    "Age": "age_band",
    "Income": "income_band",
    "Home": "home_ownership",
    "Marital status": "marital_status",
    "Household size": "household_size",
    "Household": "household_type",
    "Kids": "children",
    "Occupation": "occupation",
}


class Square(dg.ConfigurableResource[None]):
    """One Square seller. `access_token` empty: read from SQUARE_ACCESS_TOKEN when it is used.

    `look_back`: days pulled again for tills that were offline, whose orders arrive up to 72 hours late.
    `coupon_prefix`: a discount whose name begins so is a coupon, the rest of the name its code.
    `campaign_metadata`: the order metadata key that names a campaign.
    `group_attributes`: customer groups named "Age: 45-54" declare an attribute; what is before the colon, and its name here.
    """

    name: ClassVar[str] = "square"

    base_url: str = "https://connect.squareup.com"
    access_token: str = Field(default="", repr=False)
    version: str = "2026-09-16"
    page_size: int = Field(default=1000, ge=1, le=1000)
    look_back: int = Field(default=3, ge=0)
    parallel: int = Field(default=4, ge=1)
    coupon_prefix: str = "COUPON "
    campaign_metadata: str = "campaign_id"
    group_attributes: dict[str, str] = Field(default=GROUP_ATTRIBUTES)

    @property
    def entities(self) -> tuple[Entity, ...]:
        return (
            Entity(
                "locations",
                Kind.SNAPSHOT,
                (Part("locations", ("locations",)),),
                Record(
                    key="id",
                    fields={
                        **text("name timezone country currency created_at"),
                        "coordinates": {"latitude": NUMBER, "longitude": NUMBER},
                    },
                    reasons={
                        "created_at is not a time": "TRY_CAST(r.created_at AS TIMESTAMPTZ) IS NULL AND r.created_at IS NOT NULL"
                    },
                ),
                (Fill("stores", _sql("stores"), absent="deleted_on", one_per_record=True),),
                description="stores with their time zone",
            ),
            Entity(
                "customers",
                Kind.MUTABLE,
                (Part("customers", ("customers",)), Part("groups", ("groups",))),
                Record(
                    key="id",
                    updated="updated_at",
                    created="created_at",
                    version="version",
                    email="email_address",
                    phone="phone_number",
                    phone_country="address.country",
                    fields={
                        **text("given_name family_name birthday reference_id creation_source group_ids[]"),
                        "preferences.email_unsubscribed": FLAG,
                        "address": text("address_line_1 locality administrative_district_level_1 postal_code country"),
                    },
                ),
                (
                    Fill(
                        "customers",
                        _sql("customers"),
                        absent="owner_key gender loyalty_id loyalty_balance deleted_on",
                        one_per_record=True,
                    ),
                    Fill("consents", CONSENTS),
                ),
                look_back=self.look_back,
                dimension=True,
                prepare=(_sql("customer_attributes"), _sql("said")),
                dictionaries={"group_attributes": self.group_attributes},
                description="customers with what their groups declare, and e-mail opt-outs",
            ),
            Entity(
                "loyalty",
                Kind.MUTABLE,
                (Part("accounts", ("loyalty_accounts",)),),
                Record(
                    key="id",
                    updated="updated_at",
                    created="created_at",
                    phone="mapping.phone_number",
                    fields={"customer_id": TEXT, "balance": INTEGER},
                ),
                (
                    Fill(
                        "customers",
                        _sql("loyalty"),
                        absent="email first_name last_name street city region postcode country birth_date birth_day gender"
                        " deleted_on attributes",
                        one_per_record=True,
                    ),
                ),
                look_back=self.look_back,
                dimension=True,
                description="loyalty accounts, each with the customer that owns it",
            ),
            Entity(
                "catalog",
                Kind.MUTABLE,
                (Part("items", ("objects",)), Part("categories", ("objects",))),
                Record(
                    key="id",
                    updated="updated_at",
                    version="version",
                    fields={
                        **text(
                            "item_data.name item_data.category_id item_data.categories[].id item_data.reporting_category.id"
                        ),
                        "is_deleted": FLAG,
                        "custom_attribute_values": JSON,
                        "item_data.variations[]": {
                            "id": TEXT,
                            "is_deleted": FLAG,
                            **text(
                                "item_variation_data.name item_variation_data.sku item_variation_data.price_money.currency"
                            ),
                            "item_variation_data.price_money.amount": INTEGER,
                        },
                    },
                    reasons={
                        "variations is not a list": "json_type(record, '$.item_data.variations') NOT IN ('ARRAY', 'NULL')",
                        "a variation without id": "len(list_filter(r.item_data.variations, LAMBDA x: x.id IS NULL)) > 0",
                    },
                ),
                (Fill("products", _sql("products")),),
                look_back=self.look_back,
                dimension=True,
                dictionaries={"minor_units": MINOR_UNITS},
                description="item variations with department and category, deleted ones included",
            ),
            Entity(
                "orders",
                Kind.MUTABLE,
                (Part("orders", ("orders",)), Part("locations", ("locations",))),
                Record(
                    key="id",
                    updated="updated_at",
                    created="created_at",
                    business="created_at",
                    version="version",
                    email=tuple(f"{each}.email_address" for each in _RECIPIENT),
                    phone=tuple(f"{each}.phone_number" for each in _RECIPIENT),
                    phone_country="zones.country",
                    fields={
                        **text("location_id customer_id state source.name tenders[].customer_id discounts[].name"),
                        **text("total_money.currency net_amounts.total_money.currency returns[].source_order_id"),
                        "metadata": JSON,
                        "line_items[]": _LINE,
                        "returns[].return_line_items[]": _LINE,
                    },
                    joins={_sql("zones"): "zones.store_key = r.location_id"},
                    columns={
                        "timezone": "zones.timezone",
                        "currency": "coalesce(r.total_money.currency, r.net_amounts.total_money.currency, r.line_items[1].total_money.currency)",
                        "returned": "list_concat([], flatten(list_transform(r.returns, LAMBDA x: x.return_line_items)))",
                    },
                    reasons={
                        "unknown state": "r.state IS NULL OR r.state NOT IN ('OPEN', 'COMPLETED', 'CANCELED', 'DRAFT')",
                        "line_items is not a list": "json_type(record, '$.line_items') NOT IN ('ARRAY', 'NULL')",
                        "returns is not a list": "json_type(record, '$.returns') NOT IN ('ARRAY', 'NULL')",
                        "no currency": "currency IS NULL",
                        "a line without uid or amount": "len(list_filter(r.line_items, LAMBDA x: x.uid IS NULL OR x.total_money.amount IS NULL)) > 0",
                        "two lines share a uid": "len(list_distinct(list_transform(r.line_items, LAMBDA x: x.uid))) <> len(r.line_items)",
                        "a returned line without uid or amount": "len(list_filter(returned, LAMBDA x: x.uid IS NULL OR x.total_money.amount IS NULL)) > 0",
                    },
                ),
                (
                    Fill("order_lines", ORDER_LINES),
                    Fill("orders", _sql("orders"), absent="anonymous_id", one_per_record=True),
                ),
                look_back=self.look_back,
                prepare=(_sql("order_items"), ORDER_TOTALS),
                dictionaries={"minor_units": MINOR_UNITS},
                values={
                    "coupon_prefix": self.coupon_prefix,
                    "campaign_path": f"$.{json.dumps(self.campaign_metadata)}",
                },
                description="orders of every state, returns and exchanges included",
            ),
        )

    def check(self) -> None:
        secret(self.access_token, TOKEN, self.name)

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        start, end = window.instants(timezone)
        with self._client() as client:
            api, said = _Api(client, into), None
            match entity.name:
                case "locations":
                    api.locations()
                case "customers":
                    # Both ends are taken as included: a record at the end of the window is left out by its day.
                    updated = {"start_at": _text(start), "end_at": _text(end)}
                    api.get("groups", "/v2/customers/groups", {"limit": 50}, "groups")
                    # Profiles made from card data alone, without any contact field, are neither listed nor counted.
                    asked = {
                        "limit": min(self.page_size, 100),
                        "count": True,
                        "query": {"filter": {"updated_at": updated}},
                    }
                    said = api.search("customers", "/v2/customers/search", asked, "customers")
                case "loyalty":
                    # No filter by time: the whole listing, of which the window's changes are kept.
                    api.search(
                        "accounts",
                        "/v2/loyalty/accounts/search",
                        {"limit": min(self.page_size, 200)},
                        "loyalty_accounts",
                    )
                case "catalog":
                    self._catalog(api, start)
                case "orders":
                    self._orders(api, start, end)
            return into.finish(requests=client.requests, said=said)

    def _catalog(self, api: "_Api", start: datetime) -> None:
        path, limit = "/v2/catalog/search", self.page_size
        api.search("categories", path, {"object_types": ["CATEGORY"], "limit": limit}, "objects")
        # begin_time itself is excluded.
        after = _text(start - timedelta(milliseconds=1))
        body = {"object_types": ["ITEM"], "include_deleted_objects": True, "begin_time": after, "limit": limit}
        api.search("items", path, body, "objects")

    def _orders(self, api: "_Api", start: datetime, end: datetime) -> None:
        updated = {"start_at": _text(start), "end_at": _text(end)}
        stores = api.locations()
        chunks = [stores[first : first + LOCATIONS_PER_CALL] for first in range(0, len(stores), LOCATIONS_PER_CALL)]

        def chunk(number: int) -> None:
            query = {
                "filter": {"date_time_filter": {"updated_at": updated}},
                "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
            }
            body = {"location_ids": chunks[number], "limit": self.page_size, "return_entries": False, "query": query}
            api.search("orders", "/v2/orders/search", body, "orders", at=f"{number:05d}")

        with ThreadPoolExecutor(self.parallel, thread_name_prefix="square") as pool:
            # Listed, so that the first failure is raised.
            list(pool.map(chunk, range(len(chunks))))

    def _client(self) -> HttpClient:
        token = secret(self.access_token, TOKEN, self.name)

        def auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        return HttpClient(
            self.base_url,
            name=self.name,
            auth=auth,
            headers={"Square-Version": self.version, "Content-Type": "application/json"},
            retry=RetryPolicy(statuses=frozenset({408, 409, 500, 502, 503, 504})),
        )


class _Api:
    """Listings of one pull, each page kept as it came."""

    def __init__(self, client: HttpClient, into: RawPages) -> None:
        self._client, self._into, self._envelopes = client, into, Envelopes()

    def locations(self) -> list[str]:
        """Ids of every location, closed ones included."""
        answer = self._client.request("GET", "/v2/locations")
        self._keep("locations", answer.content, "locations", "")
        ids = [record.get("id") for record in answer.json().get("locations", []) if isinstance(record, Mapping)]
        return sorted(key for key in ids if isinstance(key, str) and key)

    def search(self, part: str, path: str, body: Mapping[str, Any], records: str, *, at: str = "") -> int | None:
        """Keep every page; returns the smallest count the pages gave, None without one."""
        counts: list[int] = []

        def fetch(cursor: str | None) -> Mapping[str, Any]:
            # The query must be the same on each page; only the cursor is added.
            asked = {**body, "cursor": cursor} if cursor else dict(body)
            answer = self._client.request("POST", path, json=asked, idempotent=True)
            envelope = self._keep(part, answer.content, records, at)
            if isinstance(envelope["count"], int):
                counts.append(envelope["count"])
            return envelope

        self._walk(pages(fetch, cursor_field(), what=f"square {path}"))
        return min(counts, default=None)

    def get(self, part: str, path: str, params: Mapping[str, Any], records: str) -> None:
        def fetch(cursor: str | None) -> Mapping[str, Any]:
            asked = {**params, "cursor": cursor} if cursor else dict(params)
            return self._keep(part, self._client.request("GET", path, params=asked).content, records, "")

        self._walk(pages(fetch, cursor_field(), what=f"square {path}"))

    @staticmethod
    def _walk(listing: Iterable[Mapping[str, Any]]) -> None:
        for _ in listing:
            pass

    def _keep(self, part: str, content: bytes, records: str, at: str) -> Mapping[str, Any]:
        # An empty listing is an object without the list.
        envelope, count = self._envelopes.read(content, records, ("cursor", "errors", "count"))
        if envelope["errors"]:
            raise ContractError(
                f"square: a page of {part} came with errors although it was answered: pull the window again"
            )
        self._into.add(part, content, records=count, at=at)
        return envelope


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"
