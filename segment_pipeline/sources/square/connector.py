"""Square: locations, customers, loyalty accounts, the catalog and orders, by its REST API.

What is asked for is in `api`, what the records mean in `mapping`. Square shows neither deleted nor merged-away customers in a
window: `deletions` asks after each customer once a week, and gets the one it was merged into.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.days import Window
from segment_pipeline.http import HttpClient, RetryPolicy, header
from segment_pipeline.landing.deletions import note_gone
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.sources.square.api import Api, allowed
from segment_pipeline.sources.square.mapping import entities

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


@dataclass(frozen=True, kw_only=True)
class Square:
    """One Square seller.

    `look_back`: days pulled again for tills that were offline, whose orders arrive up to 72 hours late.
    `most_gone`: the share of the customers asked after in a day that may be gone; when more are, nobody is closed.
    `coupon_prefix`: a discount whose name begins so is a coupon, the rest of the name its code.
    `campaign_metadata`: the order metadata key that names a campaign.
    `group_attributes`: customer groups named "Age: 45-54" declare an attribute; what is before the colon, and its name here.
    """

    about: ClassVar[About] = About(
        ConnectorKind.SOURCE,
        "Square",
        "customers and groups, orders with returns and exchanges, catalog, loyalty, locations",
    )

    name: str = "square"
    access_token: str = secret("SQUARE_ACCESS_TOKEN", "access token of the seller's application")
    base_url: str = address("SQUARE_BASE_URL", "https://connect.squareup.com")
    version: str = "2026-09-16"
    page_size: int = 1000
    look_back: int = 3
    parallel: int = 4
    most_gone: float = 0.2
    coupon_prefix: str = "COUPON "
    campaign_metadata: str = "campaign_id"
    group_attributes: Mapping[str, str] = field(default_factory=GROUP_ATTRIBUTES.copy)

    @property
    def entities(self) -> tuple[Entity, ...]:
        return entities(self.look_back, self.coupon_prefix, self.campaign_metadata, self.group_attributes)

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        with self._client() as client:
            stores = self._allowed(client, "/v2/locations").get("locations") or []
            self._allowed(client, "/v2/customers/search", {"limit": 1})
            self._allowed(client, "/v2/loyalty/accounts/search", {"limit": 1})
            self._allowed(client, "/v2/catalog/search", {"object_types": ["CATEGORY"], "limit": 1})
            if stores:
                self._allowed(client, "/v2/orders/search", {"location_ids": [stores[0]["id"]], "limit": 1})

    def _allowed(self, client: HttpClient, path: str, asked: Mapping[str, Any] | None = None) -> Any:
        """What a request answers that takes a permission, and next to nothing else."""
        return allowed(self.name, client, "POST" if asked else "GET", path, json=asked).json()

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        start, end = window.instants(timezone)
        with self._client() as client:
            api, said = Api(client, into, self.page_size), None
            match entity.name:
                case "locations":
                    api.locations()
                case "customers":
                    said = api.customers(start, end)
                case "deletions":
                    gone = api.gone([account.key for account in into.known])
                    note_gone(into, timezone, gone, most=self.most_gone)
                case "loyalty":
                    api.loyalty()
                case "catalog":
                    api.catalog(start)
                case "orders":
                    api.orders(start, end, self.parallel)
            return into.finish(requests=client.requests, said=said)

    def _client(self) -> HttpClient:
        return HttpClient(
            value(self, "base_url"),
            name=self.name,
            auth=header("Authorization", f"Bearer {value(self, 'access_token')}"),
            headers={"Square-Version": self.version, "Content-Type": "application/json"},
            retry=RetryPolicy(statuses=frozenset({408, 409, 500, 502, 503, 504})),
        )


CONNECTOR = Square
