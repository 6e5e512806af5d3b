"""Literal records of the three vendors, as their APIs give them, and a look at what became of them."""

from collections.abc import Mapping
from typing import Any

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.sandbox.source_world import Version, version

Visible = Mapping[str, str] | None


def column(lake: Lake, table: str, name: str) -> list[Any]:
    with lake.session() as session:
        session.scan(table)
        return [row["v"] for row in session.rows(f"SELECT {name} AS v FROM {table} ORDER BY 1")]


def money(amount: int, currency: str = "USD") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def location(key: str, **more: Any) -> Version:
    body = {
        "id": key, "name": f"Store {key}", "timezone": "America/Chicago", "country": "US", "currency": "USD",
        "created_at": "2016-01-01T00:00:00Z", "status": "ACTIVE", "coordinates": {"latitude": 41.5, "longitude": -87.5}, **more,
    }  # fmt: skip
    return version("square", "locations", key, body, updated="2016-01-01T00:00:00")


def square_line(uid: str, total: int, *, discount: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "uid": uid, "catalog_object_id": f"V{uid}", "name": "Soda", "quantity": "1", "item_type": "ITEM",
        "base_price_money": money(total + discount), "gross_sales_money": money(total + discount),
        "total_discount_money": money(discount), "total_money": money(total), **more,
    }  # fmt: skip


def square_order(key: str, updated: str, *, visible: Visible = None, route: str = "L1", **more: Any) -> Version:
    body = {
        "id": key, "location_id": route, "created_at": f"{updated}.000Z", "updated_at": f"{updated}.000Z",
        "state": "COMPLETED", "version": 1, "source": {"name": "Point of Sale"},
        "line_items": [square_line("1", 250)], "total_money": money(250), **more,
    }  # fmt: skip
    body = {name: value for name, value in body.items() if value is not None}
    return version("square", "orders", key, body, updated=updated, route=route, **(visible or {}))


def square_customer(key: str, updated: str, *, visible: Visible = None, **more: Any) -> Version:
    body = {
        "id": key, "created_at": "2016-05-01T10:00:00.000Z", "updated_at": f"{updated}.000Z", "given_name": "Ada",
        "creation_source": "LOYALTY", "preferences": {"email_unsubscribed": False}, "version": 1, **more,
    }  # fmt: skip
    return version("square", "customers", key, body, updated=updated, **(visible or {}))


def bag(amount: str, currency: str = "USD") -> dict[str, Any]:
    return {
        "shopMoney": {"amount": amount, "currencyCode": currency},
        "presentmentMoney": {"amount": amount, "currencyCode": "CAD"},
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
        "product": {"id": f"gid://shopify/Product/7{number}", "legacyResourceId": f"7{number}"}, "variant": None,
        "discountAllocations": [{"allocatedAmountSet": bag(discount), "discountApplication": applied}] if discount else [],
        "customAttributes": [], **more,
    }  # fmt: skip


def shopify_order(number: int, updated: str, *, visible: Visible = None, **more: Any) -> Version:
    body = {
        "id": f"gid://shopify/Order/{number}", "legacyResourceId": str(number), "name": f"#{number}",
        "createdAt": f"{updated}Z", "processedAt": f"{updated}Z", "updatedAt": f"{updated}Z", "cancelledAt": None,
        "test": False, "sourceName": "web", "attribution": None, "retailLocation": None, "currencyCode": "USD",
        "presentmentCurrencyCode": "USD", "email": None, "phone": None, "customer": None, "customerAcceptsMarketing": False,
        "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "FULFILLED", "discountCodes": [], "tags": [],
        "shippingAddress": None, "billingAddress": None, "customerJourneySummary": None, "lineItems": [line(1, "20.00")],
        "refunds": [], **more,
    }  # fmt: skip
    return version("shopify", "orders", str(number), body, updated=updated, **(visible or {}))


def shopify_customer(number: int, updated: str, *, visible: Visible = None, **more: Any) -> Version:
    body = {
        "id": f"gid://shopify/Customer/{number}", "legacyResourceId": str(number), "firstName": "Ada", "lastName": "Quiet",
        "displayName": "Ada Quiet", "createdAt": "2016-05-01T10:00:00Z", "updatedAt": f"{updated}Z", "state": "ENABLED",
        "locale": "en", "tags": [], "verifiedEmail": True, "dataSaleOptOut": False, "numberOfOrders": "1",
        "amountSpent": {"amount": "1.00", "currencyCode": "USD"}, "note": None, "defaultEmailAddress": None,
        "defaultPhoneNumber": None, "defaultAddress": None, "statistics": {"predictedSpendTier": None, "rfmGroup": None},
        "metafields": [], **more,
    }  # fmt: skip
    return version("shopify", "customers", str(number), body, updated=updated, **(visible or {}))


def event(number: int, uploaded: str, *, visible: Visible = None, **more: Any) -> Version:
    """An event uploaded at an instant; one that arrives late has a later `seen`, which is the vendor's upload time."""
    seen = (visible or {}).get("seen", uploaded)
    text = seen.replace("T", " ") + ".000000"
    body = {
        "uuid": f"u-{number}-{seen}", "$insert_id": f"i-{number}", "event_id": number, "event_type": "product_viewed",
        "event_time": uploaded.replace("T", " ") + ".000000", "server_upload_time": text, "user_id": None,
        "device_id": f"d-{number}", "session_id": 1512345678000, "event_properties": {}, "user_properties": {},
        "country": "United States", "platform": "Web", **more,
    }  # fmt: skip
    return version(
        "amplitude",
        "events",
        str(body["uuid"]),
        body,
        updated=seen,
        created=uploaded,
        seen=seen,
        route=seen.replace("-", "")[:11],
    )
