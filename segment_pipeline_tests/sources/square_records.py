"""Literal records of Square, as its API gives them, for the tests of the source and of the sandbox alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from segment_pipeline.sources.square.connector import Square
from segment_pipeline.testing.source import NOON, PAGE, Records, Vendor
from segment_pipeline_tests.sandbox.source_world import Version, version
from segment_pipeline_tests.sources.sandboxed import serve

Visible = Mapping[str, str] | None


def money(amount: int, currency: str = "USD") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def location(key: str, **more: Any) -> Version:
    body = {
        "id": key, "name": f"Store {key}", "timezone": "America/Chicago", "country": "US", "currency": "USD",
        "created_at": "2016-01-01T00:00:00Z", "status": "ACTIVE", "coordinates": {"latitude": 41.5, "longitude": -87.5}, **more,
    }  # fmt: skip
    return version("square", "locations", key, body, updated="2016-01-01T00:00:00")


def line(uid: str, total: int, *, discount: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "uid": uid, "catalog_object_id": f"V{uid}", "name": "Soda", "quantity": "1", "item_type": "ITEM",
        "base_price_money": money(total + discount), "gross_sales_money": money(total + discount),
        "total_discount_money": money(discount), "total_money": money(total), **more,
    }  # fmt: skip


def order(key: str, updated: str = NOON, *, visible: Visible = None, route: str = "L1", **more: Any) -> Version:
    body = {
        "id": key, "location_id": route, "created_at": f"{updated}.000Z", "updated_at": f"{updated}.000Z",
        "state": "COMPLETED", "version": 1, "source": {"name": "Point of Sale"},
        "line_items": [line("1", 250)], "total_money": money(250), **more,
    }  # fmt: skip
    body = {name: value for name, value in body.items() if value is not None}
    return version("square", "orders", key, body, updated=updated, route=route, **(visible or {}))


def customer(key: str, updated: str = NOON, *, visible: Visible = None, **more: Any) -> Version:
    body = {
        "id": key, "created_at": "2016-05-01T10:00:00.000Z", "updated_at": f"{updated}.000Z", "given_name": "Ada",
        "creation_source": "LOYALTY", "preferences": {"email_unsubscribed": False}, "version": 1, **more,
    }  # fmt: skip
    return version("square", "customers", key, body, updated=updated, **(visible or {}))


def merged(key: str, survivor: str, at: str) -> Version:
    """A customer that answers to another's id since then."""
    return version("square", "merged", key, {"id": survivor}, updated=at)


def loyalty(key: str, owner: str, phone: str, updated: str = NOON) -> Version:
    body = {
        "id": key, "customer_id": owner, "mapping": {"phone_number": phone}, "balance": 10,
        "created_at": f"{updated}Z", "updated_at": f"{updated}Z",
    }  # fmt: skip
    return version("square", "loyalty", key, body, updated=updated)


def group(key: str, name: str) -> Version:
    return version("square", "groups", key, {"id": key, "name": name}, updated="2016-01-01T00:00:00")


def catalog(key: str, kind: str, updated: str = NOON, *, visible: Visible = None, **more: Any) -> Version:
    body = {"id": key, "type": kind, "updated_at": f"{updated}.000Z", "version": 1, "is_deleted": False, **more}
    return version("square", "catalog", key, body, updated=updated, **(visible or {}))


def category(key: str, name: str, **more: Any) -> Version:
    return catalog(key, "CATEGORY", category_data={"name": name, **more})


def variation(key: str, item: str = "I1") -> dict[str, Any]:
    return {
        "type": "ITEM_VARIATION", "id": key, "is_deleted": False,
        "item_variation_data": {"item_id": item, "name": "Regular", "sku": f"SKU{key[1:]}", "price_money": money(199)},
    }  # fmt: skip


def item(
    key: str, category: str, updated: str = NOON, *, visible: Visible = None,
    variations: Sequence[dict[str, Any]] | None = None, **more: Any,
) -> Version:  # fmt: skip
    """Of one variation unless others are given."""
    data = {
        "name": "Soda", "categories": [{"id": category}], "reporting_category": {"id": category},
        "variations": [variation(f"V{key}", key)] if variations is None else variations,
    }  # fmt: skip
    values = {"launched_on": {"string_value": "2017-03-04"}, "brand": {"string_value": "National"}}
    return catalog(key, "ITEM", updated, visible=visible, item_data=data, custom_attribute_values=values, **more)


SQUARE = Vendor(
    "square",
    lambda url: Square(base_url=url, access_token="sandbox-square-token", page_size=PAGE),
    serve("square"),
    setting=[location("L1")],
)
ORDERS = Records(
    good=lambda n, at, text="plain", **more: order(f"O{n}", at, metadata={"campaign_id": text}, **more),
    poison=lambda n, at: order(f"O{n}", at, line_items="oops"),
    column="orders.campaign_key",
)
CUSTOMERS = Records(
    good=lambda n, at, text="plain", **more: customer(f"C{n}", at, given_name=text, **more),
    poison=lambda n, at: customer(f"C{n}", at, created_at="long ago"),
    column="customers.first_name",
)
