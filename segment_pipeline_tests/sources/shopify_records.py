"""Literal records of Shopify, as its API gives them, for the tests of the source and of the sandbox alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.testing.source import NOON, PAGE, Records, Vendor
from segment_pipeline_tests.sandbox.source_world import Version, version
from segment_pipeline_tests.sources.sandboxed import serve

Visible = Mapping[str, str] | None


def bag(amount: str, currency: str = "USD") -> dict[str, Any]:
    return {
        "shopMoney": {"amount": amount, "currencyCode": currency},
        "presentmentMoney": {"amount": amount, "currencyCode": "CAD"},
    }


def gid(kind: str, number: int | str) -> dict[str, str]:
    """How one record names another."""
    return {"id": f"gid://shopify/{kind}/{number}", "legacyResourceId": str(number)}


def metafield(number: int, key: str, value: str, namespace: str = "custom") -> dict[str, str]:
    return {
        "id": f"gid://shopify/Metafield/{number}",
        "namespace": namespace,
        "key": key,
        "type": "text",
        "value": value,
    }


def shop() -> Version:
    body = {
        "id": "gid://shopify/Shop/1", "name": "Web shop", "myshopifyDomain": "web.myshopify.com",
        "ianaTimezone": "America/Chicago", "currencyCode": "USD", "enabledPresentmentCurrencies": ["USD"],
        "email": "shop@quiet.shop",
    }  # fmt: skip
    return version("shopify", "shop", "1", body, updated="2016-01-01T00:00:00")


def line(
    number: int, total: str, *, discount: str | None = None, markdown: bool = False, **more: Any
) -> dict[str, Any]:
    applied = {"__typename": "AutomaticDiscountApplication", "title": "Markdown"} if markdown else {
        "__typename": "DiscountCodeApplication", "code": "TEN"
    }  # fmt: skip
    return {
        "id": f"gid://shopify/LineItem/{number}", "sku": f"W-{number}", "title": "Shoe", "name": "Shoe", "quantity": 1,
        "currentQuantity": 1, "isGiftCard": False, "originalUnitPriceSet": bag(total), "originalTotalSet": bag(total),
        "discountedTotalSet": bag(total), "totalDiscountSet": bag("0.00"),
        "product": gid("Product", f"7{number}"), "variant": None,
        "discountAllocations": [{"allocatedAmountSet": bag(discount), "discountApplication": applied}] if discount else [],
        "customAttributes": [], **more,
    }  # fmt: skip


def order(number: int, updated: str = NOON, *, visible: Visible = None, **more: Any) -> Version:
    body = {
        **gid("Order", number), "name": f"#{number}",
        "createdAt": f"{updated}Z", "processedAt": f"{updated}Z", "updatedAt": f"{updated}Z", "cancelledAt": None,
        "closedAt": None, "test": False, "sourceName": "web", "attribution": None, "retailLocation": None, "currencyCode": "USD",
        "presentmentCurrencyCode": "USD", "email": None, "phone": None, "customer": None, "customerAcceptsMarketing": False,
        "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "FULFILLED", "discountCodes": [], "tags": [],
        "shippingAddress": None, "billingAddress": None, "customerJourneySummary": None, "lineItems": [line(1, "20.00")],
        "refunds": [], **more,
    }  # fmt: skip
    return version("shopify", "orders", str(number), body, updated=updated, **(visible or {}))


def customer(number: int, updated: str = NOON, *, visible: Visible = None, **more: Any) -> Version:
    body = {
        **gid("Customer", number), "firstName": "Ada", "lastName": "Quiet",
        "displayName": "Ada Quiet", "createdAt": "2016-05-01T10:00:00Z", "updatedAt": f"{updated}Z", "state": "ENABLED",
        "locale": "en", "tags": [], "verifiedEmail": True, "dataSaleOptOut": False, "numberOfOrders": "1",
        "amountSpent": {"amount": "1.00", "currencyCode": "USD"}, "note": None, "defaultEmailAddress": None,
        "defaultPhoneNumber": None, "defaultAddress": None, "statistics": {"predictedSpendTier": None, "rfmGroup": None},
        "metafields": [], **more,
    }  # fmt: skip
    return version("shopify", "customers", str(number), body, updated=updated, **(visible or {}))


def refund(number: int, total: str, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`lines`: lines of the order, each given back as a whole."""
    back = [{"quantity": 1, "lineItem": each, "subtotalSet": each["originalTotalSet"]} for each in lines]
    return {
        **gid("Refund", number), "createdAt": "2017-06-07T10:00:00Z", "processedAt": "2017-06-08T02:00:00Z",
        "updatedAt": "2017-06-08T02:00:00Z", "note": None, "totalRefundedSet": bag(total), "refundLineItems": back,
    }  # fmt: skip


def product(number: int, updated: str = NOON, *, visible: Visible = None, **more: Any) -> Version:
    category = {"id": "gid://shopify/TaxonomyCategory/aa-8", "name": "Shoes", "fullName": "Apparel > Shoes"}
    variant = {"id": f"gid://shopify/ProductVariant/{number}", "sku": f"W-{number}", "price": "129.00"}
    body = {
        **gid("Product", number), "title": "Shoe", "handle": f"shoe-{number}", "vendor": "Quiet", "status": "ACTIVE", "tags": [],
        "isGiftCard": False, "createdAt": f"{updated}Z", "updatedAt": f"{updated}Z", "publishedAt": f"{updated}Z",
        "productType": "Running Shoes", "category": category, "collections": [], "metafields": [], "variants": [variant],
        "priceRangeV2": {"minVariantPrice": {"amount": "129.00", "currencyCode": "USD"}}, **more,
    }  # fmt: skip
    return version("shopify", "products", str(number), body, updated=updated, **(visible or {}))


def checkout(number: int, updated: str = NOON, **more: Any) -> Version:
    line = {
        "id": "gid://shopify/AbandonedCheckoutLineItem/1", "sku": "W-1", "title": "Shoe", "quantity": 2,
        "product": gid("Product", 71), "variant": None, "originalUnitPriceSet": bag("10.00"), "discountedTotalPriceSet": bag("20.00"),
    }  # fmt: skip
    body = {
        "id": f"gid://shopify/AbandonedCheckout/{number}", "name": f"#{number}", "createdAt": f"{updated}Z",
        "updatedAt": f"{updated}Z", "completedAt": None, "abandonedCheckoutUrl": f"https://web.example/{number}", "note": "",
        "discountCodes": [], "customer": None, "shippingAddress": None, "billingAddress": None, "subtotalPriceSet": bag("20.00"),
        "totalPriceSet": bag("24.99"), "totalLineItemsPriceSet": bag("20.00"), "totalDiscountSet": bag("0.00"), "lineItems": [line],
        **more,
    }  # fmt: skip
    return version("shopify", "abandonedCheckouts", str(number), body, updated=updated)


SHOPIFY = Vendor(
    "shopify",
    lambda url: Shopify(
        base_url=url, client_id="sandbox-shopify-id", client_secret="sandbox-shopify-secret", page_size=PAGE
    ),
    serve("shopify"),
    setting=[shop()],
)
ORDERS = Records(
    good=lambda n, at, text="plain", **more: order(1000 + n, at, discountCodes=[text], **more),
    poison=lambda n, at: order(1000 + n, at, lineItems=[line(1, "much")]),
    column="orders.coupon_codes",
)
CUSTOMERS = Records(
    good=lambda n, at, text="plain", **more: customer(2000 + n, at, firstName=text, **more),
    poison=lambda n, at: customer(2000 + n, at, createdAt="long ago"),
    column="customers.first_name",
)
