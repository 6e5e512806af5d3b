"""Shopify: customers, products, orders with refunds, and abandoned checkouts, by the Admin GraphQL API.

How it is asked is in `api` and `queries`, what the records mean in `mapping`. Of a customer merge a pull sees the surviving account
and its orders under the new id; the id that is gone vanishes without a word: `deletions` asks after each account once a week, `product_deletions`
after each product.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.http import Auth, HttpClient, RetryPolicy, header
from segment_pipeline.landing.deletions import note_gone
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.sources.shopify import deletions, queries
from segment_pipeline.sources.shopify.answers import SCOPES, classify
from segment_pipeline.sources.shopify.api import HEADER, LISTINGS, Api, ClientCredentials, Pull
from segment_pipeline.sources.shopify.mapping import entities


@dataclass(frozen=True, kw_only=True)
class Shopify:
    """One Shopify shop. `base_url` is https://<shop>.myshopify.com.

    An access token is used where there is one; otherwise client id and secret get one that lives 24 hours and is renewed when the
    shop refuses it. `page_size` and `nested`, how many lines of an order come with it before the rest is asked for on its own, are
    halved by themselves when the shop finds a query too costly. `*_metafield`: namespace.key of what Shopify has no field for.
    `most_gone`: the share of the accounts, or products, asked after in a day that may be gone; when more are, none is closed.
    """

    about: ClassVar[About] = About(
        ConnectorKind.SOURCE,
        "Shopify",
        "accounts with consents, products, orders with refunds, abandoned checkouts",
    )

    name: str = "shopify"
    base_url: str = address("SHOPIFY_BASE_URL", "", "address of the shop, https://your-shop.myshopify.com")
    access_token: str = secret("SHOPIFY_ACCESS_TOKEN", "access token that does not expire", optional=True)
    client_id: str = secret("SHOPIFY_CLIENT_ID", "client id of the app, where there is no access token")
    client_secret: str = secret("SHOPIFY_CLIENT_SECRET", "client secret of the app")
    version: str = "2026-10"
    page_size: int = 50
    nested: int = 20
    look_back: int = 1
    most_gone: float = 0.2
    gender_metafield: str = "custom.gender"
    birth_date_metafield: str = "custom.birth_date"
    department_metafield: str = "custom.department"
    launched_on_metafield: str = "custom.launched_on"

    @property
    def entities(self) -> tuple[Entity, ...]:
        return entities(self.look_back)

    def secrets_present(self) -> None:
        require(self, *(["base_url"] if value(self, "access_token") else ["base_url", "client_id", "client_secret"]))

    def check(self) -> None:
        with self._client() as client:
            api = Api(client, self.version)
            api.require(self.name, SCOPES)
            if api.fell_forward:
                raise ConfigError(f"source {self.name}: {api.fell_forward}")

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        with self._client() as client:
            api, said = Api(client, self.version), None
            if entity.asks_after:
                self._deletions(api, entity.asks_after, timezone, into)
            else:
                listing = LISTINGS[entity.name]
                api.require(self.name, listing.scopes)
                if entity.name == "orders":
                    into.add_line("shop", api.ask(queries.SHOP))
                pull = Pull(api, entity.name, listing, into, self.page_size, self._variables(entity.name))
                said = pull.walk(*window.instants(timezone))
                pull.require_names()
            notes = [api.fell_forward] if api.fell_forward else []
            return into.finish(requests=client.requests, said=said, notes=notes)

    def _deletions(self, api: Api, table: str, timezone: str, into: RawPages) -> None:
        if into.known:
            api.require(self.name, deletions.SCOPES[table])
            note_gone(into, timezone, deletions.gone(api, table, into.known), most=self.most_gone)

    def _variables(self, entity: str) -> dict[str, Any]:
        match entity:
            case "customers":
                return _metafield("gender", self.gender_metafield) | _metafield("birth", self.birth_date_metafield)
            case "products":
                fields = _metafield("department", self.department_metafield) | _metafield(
                    "launch", self.launched_on_metafield
                )
                return {**fields, "nested": self.nested}
        return {"nested": self.nested}

    def _client(self) -> HttpClient:
        self.secrets_present()
        token, base_url = value(self, "access_token"), value(self, "base_url")
        auth: Auth = header(HEADER, token)
        if not token:
            auth = ClientCredentials(base_url, value(self, "client_id"), value(self, "client_secret"))
        return HttpClient(
            base_url,
            name=self.name,
            auth=auth,
            headers={"Content-Type": "application/json"},
            retry=RetryPolicy(attempts=12),
            classify=classify,
        )


def _metafield(name: str, setting: str) -> dict[str, str]:
    space, _, key = setting.rpartition(".")
    if not space or not key:
        raise ConfigError(
            "a metafield of the source shopify is named namespace.key, such as custom.gender: correct its setting"
        )
    return {f"{name}Space": space, f"{name}Key": key}


CONNECTOR = Shopify
