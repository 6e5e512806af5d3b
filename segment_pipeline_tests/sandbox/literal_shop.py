"""A shop of a few literal records, and the ways the tests ask it."""

from pathlib import Path
from typing import Any

from segment_pipeline_tests.sandbox.source_world import Client, Version, version, world

GRAPHQL = "/shopify/admin/api/2026-10/graphql.json"
TOKEN = "/shopify/admin/oauth/access_token"
CREDENTIALS = {
    "client_id": "sandbox-shopify-id",
    "client_secret": "sandbox-shopify-secret",
    "grant_type": "client_credentials",
}
BAG = {
    "shopMoney": {"amount": "10.00", "currencyCode": "USD"},
    "presentmentMoney": {"amount": "13.00", "currencyCode": "CAD"},
}


def order(number: int, updated: str, **more: Any) -> Version:
    visible = {name: more.pop(name) for name in ("seen", "until", "created") if name in more}
    body = {
        "id": f"gid://shopify/Order/{number}",
        "legacyResourceId": str(number),
        "name": f"#{number}",
        "createdAt": f"{updated}Z",
        "processedAt": f"{updated}Z",
        "updatedAt": f"{updated}Z",
        "cancelledAt": None,
        "closedAt": None,
        "test": False,
        "currencyCode": "USD",
        "discountCodes": [],
        "customer": None,
        "totalPriceSet": BAG,
        "lineItems": [],
        "refunds": [],
        **more,
    }
    return version("shopify", "orders", str(number), body, updated=updated, **visible)


def line(number: int) -> dict[str, Any]:
    applications = (
        {"__typename": "DiscountCodeApplication", "code": "WELCOME10"},
        {"__typename": "AutomaticDiscountApplication", "title": "Season markdown"},
    )
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "sku": f"W-{number}",
        "quantity": number,
        "discountedTotalSet": BAG,
        "product": {"id": "gid://shopify/Product/7001"},
        "variant": {"id": "gid://shopify/ProductVariant/1"},
        "discountAllocations": [{"allocatedAmountSet": BAG, "discountApplication": each} for each in applications],
    }


def field(number: int, namespace: str, key: str, value: str) -> dict[str, str]:
    gid = f"gid://shopify/Metafield/{number}"
    return {"id": gid, "namespace": namespace, "key": key, "type": "text", "value": value}


def customer(number: int, updated: str) -> Version:
    body = {
        "id": f"gid://shopify/Customer/{number}",
        "legacyResourceId": str(number),
        "firstName": f"Ann{number}",
        "createdAt": f"{updated}Z",
        "updatedAt": f"{updated}Z",
        "defaultEmailAddress": {"emailAddress": f"ann{number}@example.com", "marketingState": "SUBSCRIBED"},
        "metafields": [field(1, "custom", "gender", "female"), field(2, "loyalty", "tier", "gold")],
    }
    return version("shopify", "customers", str(number), body, updated=updated)


def kept(entity: str, number: int, updated: str, **body: Any) -> Version:
    kind = {"products": "Product", "shop": "Shop", "abandonedCheckouts": "AbandonedCheckout"}[entity]
    whole = {"id": f"gid://shopify/{kind}/{number}", **body}
    return version("shopify", entity, str(number), whole, updated=updated)


SHOES = {"id": "gid://shopify/TaxonomyCategory/aa-8", "name": "Shoes", "fullName": "Apparel > Shoes"}
VARIANT = {"id": "gid://shopify/ProductVariant/1", "sku": "W-1", "price": "129.00"}
PRODUCT = kept("products", 7001, "2016-01-01", productType="Running Shoes", category=SHOES, variants=[VARIANT])
SHOP = kept("shop", 1, "2016-01-01", name="Sandbox", ianaTimezone="America/New_York", currencyCode="USD")
REFUND = {"refundLineItems": [{"quantity": 1, "lineItem": {"id": "gid://shopify/LineItem/4"}}]}
ORDERS = [
    order(
        5001,
        "2017-05-01T10:00:00",
        lineItems=[line(1), line(2), line(3)],
        customer={"id": "gid://shopify/Customer/6001"},
    ),
    order(5002, "2017-05-01T11:00:00", test=True, lineItems=[line(4)], refunds=[REFUND]),
    order(5003, "2017-05-02T00:00:00", cancelledAt="2017-05-02T00:00:00Z"),
    order(5004, "2017-05-02T12:00:00", created="2017-04-01T00:00:00", customer={"id": "gid://shopify/Customer/6999"}),
]
CHECKOUTS = [
    kept("abandonedCheckouts", 8001, "2017-05-01", completedAt=None),
    kept("abandonedCheckouts", 8002, "2017-05-02", completedAt="2017-05-02T01:00:00Z"),
]
PEOPLE = [
    customer(6001, "2017-05-01T03:59:59"),
    customer(6002, "2017-05-01T04:00:00"),
    customer(6003, "2017-05-02T03:59:59"),
    customer(6004, "2017-05-02T04:00:00"),
]


def literal_shop(home: Path) -> None:
    world(home, [SHOP, PRODUCT, *ORDERS, *PEOPLE, *CHECKOUTS])


def token(shopify: Client) -> str:
    answer = shopify.post(TOKEN, json=CREDENTIALS)
    assert answer.status_code == 200, answer.text
    issued: str = answer.json()["access_token"]
    return issued


def ask(shopify: Client, query: str, **variables: Any) -> Any:
    answer = shopify.post(GRAPHQL, json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


def data(shopify: Client, query: str, **variables: Any) -> Any:
    answer = ask(shopify, query, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


def code(shopify: Client, query: str, **variables: Any) -> str:
    answer = ask(shopify, query, **variables)
    assert answer.get("data") is None
    found: str = answer["errors"][0].get("extensions", {}).get("code", "")
    return found


def found(shopify: Client, text: str, entity: str = "orders") -> list[str]:
    query = f"query Q($q: String) {{ {entity}(first: 50, query: $q, sortKey: ID) {{ nodes {{ id }} }} }}"
    return [node["id"].rsplit("/", 1)[-1] for node in data(shopify, query, q=text)[entity]["nodes"]]
