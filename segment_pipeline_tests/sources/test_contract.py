"""The three shipped sources under the suite every source inherits."""

from typing import Any, ClassVar

from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.source import Source
from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square
from segment_pipeline_tests.contracts.source import SourceContract
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources import literal


class TestSquareOrders(SourceContract):
    vendor: ClassVar[str] = "square"
    entity: ClassVar[str] = "orders"
    table: ClassVar[str] = "orders"
    key: ClassVar[str] = "order_key"

    def source(self, base_url: str) -> Source:
        return Square(base_url=base_url, access_token="sandbox-square-token", page_size=self.page)

    def setting(self) -> list[Version]:
        return [literal.location("L1")]

    def record(self, number: int, updated: str, *, text: str = "plain", **more: str) -> Version:
        return literal.square_order(f"O{number}", updated, metadata={"campaign_id": text}, visible=more)

    def poison(self, number: int, updated: str) -> Version:
        return literal.square_order(f"O{number}", updated, line_items="oops")

    def text_of(self, lake: Lake) -> list[str]:
        return literal.column(lake, "orders", "campaign_key")

    def without_secret(self) -> tuple[Source, str]:
        return Square(), "SQUARE_ACCESS_TOKEN"


class TestSquareCustomers(SourceContract):
    vendor: ClassVar[str] = "square"
    entity: ClassVar[str] = "customers"
    table: ClassVar[str] = "customers"
    key: ClassVar[str] = "customer_key"

    def source(self, base_url: str) -> Source:
        return Square(base_url=base_url, access_token="sandbox-square-token", page_size=self.page)

    def record(self, number: int, updated: str, *, text: str = "plain", **more: str) -> Version:
        return literal.square_customer(f"C{number}", updated, given_name=text, visible=more)

    def poison(self, number: int, updated: str) -> Version:
        return literal.square_customer(f"C{number}", updated, created_at="long ago")

    def text_of(self, lake: Lake) -> list[str]:
        return literal.column(lake, "customers", "first_name")

    def without_secret(self) -> tuple[Source, str]:
        return Square(), "SQUARE_ACCESS_TOKEN"


class TestShopifyOrders(SourceContract):
    vendor: ClassVar[str] = "shopify"
    entity: ClassVar[str] = "orders"
    table: ClassVar[str] = "orders"
    key: ClassVar[str] = "order_key"

    def source(self, base_url: str) -> Source:
        return _shop(base_url, self.page)

    def setting(self) -> list[Version]:
        return [literal.shop()]

    def record(self, number: int, updated: str, *, text: str = "plain", **more: str) -> Version:
        return literal.shopify_order(1000 + number, updated, discountCodes=[text], visible=more)

    def poison(self, number: int, updated: str) -> Version:
        return literal.shopify_order(1000 + number, updated, lineItems=[literal.line(1, "much")])

    def text_of(self, lake: Lake) -> list[str]:
        return [code for codes in literal.column(lake, "orders", "coupon_codes") for code in codes]

    def without_secret(self) -> tuple[Source, str]:
        return Shopify(base_url="https://example.test", client_id="known"), "SHOPIFY_CLIENT_SECRET"


class TestShopifyCustomers(TestShopifyOrders):
    entity: ClassVar[str] = "customers"
    table: ClassVar[str] = "customers"
    key: ClassVar[str] = "customer_key"

    def record(self, number: int, updated: str, *, text: str = "plain", **more: str) -> Version:
        return literal.shopify_customer(2000 + number, updated, firstName=text, visible=more)

    def poison(self, number: int, updated: str) -> Version:
        return literal.shopify_customer(2000 + number, updated, createdAt="long ago")

    def text_of(self, lake: Lake) -> list[str]:
        return literal.column(lake, "customers", "first_name")


class TestAmplitude(SourceContract):
    vendor: ClassVar[str] = "amplitude"
    entity: ClassVar[str] = "events"
    table: ClassVar[str] = "events"
    key: ClassVar[str] = "event_key"

    def source(self, base_url: str) -> Source:
        return Amplitude(
            base_url=base_url, api_key="sandbox-amplitude-key", secret_key="sandbox-amplitude-secret", chunk_hours=24
        )

    def record(self, number: int, updated: str, *, text: str = "plain", **more: str) -> Version:
        return literal.event(number, updated, event_properties={"category": text}, visible=more)

    def poison(self, number: int, updated: str) -> Version:
        return literal.event(number, updated, event_time="yesterday")

    def text_of(self, lake: Lake) -> list[str]:
        return literal.column(lake, "events", "category")

    def without_secret(self) -> tuple[Source, str]:
        return Amplitude(secret_key="known"), "AMPLITUDE_API_KEY"


def _shop(base_url: str, page: int, **more: Any) -> Shopify:
    return Shopify(
        base_url=base_url,
        client_id="sandbox-shopify-id",
        client_secret="sandbox-shopify-secret",
        page_size=page,
        **more,
    )
