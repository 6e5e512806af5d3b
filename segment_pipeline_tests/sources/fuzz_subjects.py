"""The companies whose records are fuzzed: each entity of Square, Shopify and Amplitude."""

from typing import Any, Final

from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square
from segment_pipeline_tests.sources import (
    amplitude_records as amplitude,
    shopify_records as shopify,
    square_records as square,
)
from segment_pipeline_tests.sources.fuzz import Subject
from segment_pipeline_tests.sources.pulls import body

SHOP = Shopify(base_url="http://127.0.0.1:9", access_token="t")
TILL = Square(base_url="http://127.0.0.1:9", access_token="t")
CLICKS = Amplitude(base_url="http://127.0.0.1:9", api_key="k", secret_key="s")
ZONE = '{"data": {"shop": {"ianaTimezone": "America/Chicago"}}}'
STORES = [body(square.location("L1")), body(square.location("L2"))]
ADDRESS = {
    "address1": "1 Main St", "city": "Troy", "provinceCode": "OH", "zip": "45373", "countryCodeV2": "US", "phone": "(513) 555-0123",
}  # fmt: skip


def at(n: int) -> str:
    return f"2017-06-{1 + n % 28:02d}T{n % 24:02d}:30:00"


def mail(n: int) -> str:
    return f"u{n}@quiet.shop"


def shopify_order(n: int) -> dict[str, Any]:
    lines = [
        shopify.line(1, "20.00", discount="5.00", markdown=True),
        shopify.line(2, "10.00"),
        shopify.line(3, "50.00", isGiftCard=True),
    ]
    return body(
        shopify.order(
            100_000 + n, at(n), email=mail(n), phone=f"(513) 555-{n % 10_000:04d}", customer=shopify.gid("Customer", 200_000 + n),
            discountCodes=["TEN"], lineItems=lines, refunds=[shopify.refund(n, "10.00", [lines[1]])], shippingAddress=ADDRESS,
            billingAddress=ADDRESS, retailLocation={"id": "gid://shopify/Location/7"}, attribution={"handle": "pos"},
            customerJourneySummary={"lastVisit": {"utmParameters": {"campaign": "18"}}},
        )
    )  # fmt: skip


def shopify_customer(n: int) -> dict[str, Any]:
    made = shopify.customer(
        200_000 + n, at(n), gender={"value": "female"}, birthDate={"value": "1985-07-04"}, defaultAddress=ADDRESS,
        defaultEmailAddress={"emailAddress": mail(n), "marketingState": "SUBSCRIBED", "marketingUpdatedAt": "2017-05-01T10:00:00Z"},
        defaultPhoneNumber={
            "phoneNumber": f"+1513555{n % 10_000:04d}",
            "smsMarketingConsent": {"state": "UNSUBSCRIBED", "updatedAt": "2017-05-01T10:00:00Z"},
        },
        dataSaleOptOut=n % 3 == 0,
    )  # fmt: skip
    return body(made)


def shopify_product(n: int) -> dict[str, Any]:
    variant = {"id": f"gid://shopify/ProductVariant/{n}", "sku": f"W-{n}", "price": "129.00"}
    price = {"minVariantPrice": {"amount": "129.00", "currencyCode": "USD"}}
    made = shopify.product(
        300_000 + n, at(n), updatedAt=f"{at(n)}Z", title="Shoe", vendor="National", department={"value": "Shoes"},
        launchedOn={"value": "2017-03-04"}, publishedAt="2017-03-04T10:00:00Z", collections=[{"title": "Summer"}], priceRangeV2=price,
        variants=[variant, {**variant, "sku": f"V-{n}"}],
    )  # fmt: skip
    return body(made)


def shopify_checkout(n: int) -> dict[str, Any]:
    who = {**shopify.gid("Customer", 200_000 + n), "defaultEmailAddress": {"emailAddress": mail(n)}}
    return body(
        shopify.checkout(400_000 + n, at(n), customer=who, shippingAddress=ADDRESS, completedAt="2017-06-29T10:00:00Z")
    )


def square_order(n: int) -> dict[str, Any]:
    back = {"uid": "r", "source_order_id": f"O{n}x", "return_line_items": [square.line("7", 350, discount=50)]}
    lines = [
        square.line("1", 250, discount=50, total_tax_money=square.money(20), total_service_charge_money=square.money(10)),
        square.line("2", 5000, item_type="GIFT_CARD", catalog_object_id=None),
    ]  # fmt: skip
    who = {"pickup_details": {"recipient": {"email_address": mail(n), "phone_number": "(513) 555-0123"}}}
    made = square.order(
        f"O{n}k", at(n), route=("L1", "L2")[n % 2], line_items=lines, returns=[back] if n % 3 == 0 else None, customer_id=f"C{n}k",
        tenders=[{"id": "T1", "customer_id": f"C{n}k"}], discounts=[{"uid": "b", "name": "COUPON 1000"}], fulfillments=[who],
        metadata={"campaign_id": "18"}, net_amounts={"total_money": square.money(250)},
    )  # fmt: skip
    return body(made)


def square_customer(n: int) -> dict[str, Any]:
    return body(
        square.customer(
            f"C{n}k", at(n), birthday="1985-07-04", group_ids=["G1"], reference_id="HH1", email_address=mail(n), family_name="Quiet",
            phone_number=f"(513) 555-{n % 10_000:04d}", preferences={"email_unsubscribed": n % 2 == 0},
            address={
                "country": "US", "postal_code": "45202", "address_line_1": "1 Main St", "locality": "Troy",
                "administrative_district_level_1": "OH",
            },
        )
    )  # fmt: skip


def square_item(n: int) -> dict[str, Any]:
    return body(square.item(f"I{n}k", "K1", at(n)))


def square_loyalty(n: int) -> dict[str, Any]:
    return body(square.loyalty(f"A{n}k", f"C{n}k", f"+1513555{n % 10_000:04d}", at(n)))


def square_location(n: int) -> dict[str, Any]:
    return body(square.location(f"L{n}k"))


EVENTS: Final = (
    ("product_viewed", {"product_id": "71", "category": "Shoes", "collection": "Summer", "utm_source": "mail"}),
    ("search", {"query": "shoes"}),
    ("message_clicked", {"channel": "email", "campaign_id": "18", "campaign_name": "Summer", "campaign_starts_on": "2017-06-01", "campaign_cost": "980.00"}),
    ("survey_answered", {"survey_id": "nps", "question_id": "q", "answer": "9", "score": 9}),
    ("consent_updated", {"identifier_type": "email", "channel": "email", "status": "denied"}),
)  # fmt: skip


def amplitude_event(n: int) -> dict[str, Any]:
    name, properties = EVENTS[n % len(EVENTS)]
    properties = {**properties, "identifier": mail(n)} if name == "consent_updated" else properties
    return body(
        amplitude.event(
            n, at(n), event_type=name, event_properties=properties, user_properties={"email": mail(n)}, user_id=f"c{n}",
            location_lat=41.5, location_lng=-87.5,
        )
    )  # fmt: skip


def named(kind: str, offset: int = 0) -> Any:
    return lambda n: {kind.format(n=n + offset), mail(n)}


GROUPS = [body(square.group("G1", "Age: 45-54"))]
CATEGORIES = [body(square.category("K1", "GROCERY"))]
SUBJECTS: Final = (
    Subject(SHOP, "orders", "orders", shopify_order, named("{n}", 100_000), {"shop": [ZONE]}),
    Subject(
        SHOP,
        "customers",
        "customers",
        shopify_customer,
        lambda n: {str(200_000 + n), mail(n), f"+1513555{n % 10_000:04d}"},
        {},
    ),
    Subject(SHOP, "products", "products", shopify_product, named("{n}", 300_000), {}),
    Subject(SHOP, "checkouts", "checkouts", shopify_checkout, named("{n}", 400_000), {}),
    Subject(TILL, "orders", "orders", square_order, named("O{n}k"), {"locations": STORES}),
    Subject(TILL, "customers", "customers", square_customer, named("C{n}k"), {"groups": GROUPS}),
    Subject(TILL, "catalog", "items", square_item, named("VI{n}k"), {"categories": CATEGORIES}),
    Subject(TILL, "loyalty", "accounts", square_loyalty, named("A{n}k"), {}),
    Subject(TILL, "locations", "locations", square_location, named("L{n}k"), {}),
    Subject(CLICKS, "events", "events", amplitude_event, lambda n: {f"i-{n}/d-{n}", mail(n)}, {}),
)
