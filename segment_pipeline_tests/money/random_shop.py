"""Random orders of a shop as Shopify gives them: discounts, tips, edits and refunds of every kind, some in two versions."""

from collections.abc import Iterator
from random import Random
from typing import Any

from segment_pipeline_tests.money.calendar import days_after, noon
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources.shopify_records import bag, customer, gid, line, order

PRODUCTS = {"1": "Shoes", "2": "Men", "3": "Men", "4": "Home", "5": "Beauty"}
STATES = ["PAID"] * 8 + [
    "PARTIALLY_PAID",
    "PENDING",
    "AUTHORIZED",
    "VOIDED",
    "EXPIRED",
    "REFUNDED",
    "PARTIALLY_REFUNDED",
]
Json = dict[str, Any]


def records(random: Random, people: int) -> list[Version]:
    made = [customer(number, noon(0)) for number in range(1, people + 1)]
    for number in range(1, people + 1):
        for place in range(random.choice([0, 1, 1, 2, 3, 4])):
            made += _versions(random, number, 100 * number + place)
    return made


def _versions(random: Random, who: int, key: int) -> Iterator[Version]:
    at = noon(random.randrange(1, 200))
    currency, included = random.choice(["USD", "USD", "CAD"]), random.random() < 0.3
    lines = [_line(random, key, number, currency, included) for number in range(1, random.choice([1, 1, 2, 3, 4]) + 1)]
    tip = random.choice([0, 0, 0, 500])
    if tip:
        lines.append(
            line(key * 10 + 9, _text(tip), product=None, title=random.choice(["Tip", "Danke"]), sku=None, taxLines=[])
        )
    body: Json = {
        "customer": gid("Customer", who) if random.random() < 0.95 else None, "currencyCode": currency,
        "taxesIncluded": included, "totalTipReceivedSet": bag(_text(tip), currency), "test": random.random() < 0.05,
        "displayFinancialStatus": random.choice(STATES), "lineItems": lines,
        "cancelledAt": f"{at}Z" if random.random() < 0.05 else None, "refunds": [],
    }  # fmt: skip
    changed = noon(days_after(at) + random.randrange(1, 100))
    first = {**body, "displayFinancialStatus": random.choice(STATES)}
    if random.random() < 0.7:
        _edit(random, lines)
        body["refunds"] = [
            refund
            for number in range(random.choice([0, 1, 1, 2, 3]))
            if (refund := _refund(random, key * 10 + number, lines, changed, included=included, tip=tip))
        ]
    if random.random() < 0.3:
        yield order(key, at, visible={"until": changed}, **first)
    yield order(key, changed, **{**body, "createdAt": f"{at}Z", "processedAt": f"{at}Z"})


def _text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _line(random: Random, key: int, number: int, currency: str, included: bool) -> Json:
    units = random.choice([1, 1, 1, 2, 3])
    total = units * random.choice([0, 199, 333, 1000, 1999, 4950])
    discount = random.choice([0, 0, total // 10, total])
    tax = (total - discount) * random.choice([0, 7, 10]) // (110 if included else 100)
    product = random.choice([*PRODUCTS, None])
    is_card = product is None and random.random() < 0.5
    if is_card:
        total, discount, tax = 5000, 0, 0
    return line(
        key * 10 + number, _text(total), discount=_text(discount) if discount else None, quantity=units, currentQuantity=units,
        product=gid("Product", f"7{product}") if product else None, isGiftCard=is_card, title="Card" if is_card else "Shoe",
        taxLines=[{"title": "VAT", "rate": 0.1, "priceSet": bag(_text(tax), currency)}] if tax else [],
    )  # fmt: skip


def _edit(random: Random, lines: list[Json]) -> None:
    """Units taken off, of which no refund tells."""
    for each in lines:
        if random.random() < 0.15 and each["title"] == "Shoe":
            each["currentQuantity"] -= random.randint(1, each["currentQuantity"])


def _cents(bag_: Json) -> int:
    return round(float(bag_["shopMoney"]["amount"]) * 100)


def _refund(random: Random, key: int, lines: list[Json], at: str, *, included: bool, tip: int) -> Json | None:
    back, due = [], 0
    for each in random.sample(lines, random.randint(0, len(lines))):
        standing = each["currentQuantity"]
        if standing:
            units = random.randint(1, standing)
            each["currentQuantity"] -= units
            discount = sum(_cents(one["allocatedAmountSet"]) for one in each["discountAllocations"])
            tax = sum(_cents(one["priceSet"]) for one in each["taxLines"])
            subtotal = (_cents(each["originalTotalSet"]) - discount) * units // each["quantity"]
            tax = tax * units // each["quantity"]
            due += subtotal + (0 if included else tax)
            back.append(
                {
                    "quantity": units,
                    "lineItem": each,
                    "subtotalSet": bag(_text(subtotal)),
                    "totalTaxSet": bag(_text(tax)),
                }
            )
    shipping, shipping_tax = random.choice([(0, 0), (0, 0), (750, 50)])
    duty, more = random.choice([0, 0, 300]), 0
    adjustments = []
    kind = random.random()
    if kind < 0.25 and due:
        more = -random.randint(1, due)
        adjustments = [(_signed(-more), random.choice(["RESTOCK", None]))] if random.random() < 0.5 else []
    elif kind < 0.5 or not back:
        more = random.choice([100, 1000, 2500])
        adjustments = [(_signed(-more), random.choice(["CUSTOMER", "PENDING_REFUND_DISCREPANCY"]))]
        if not back and random.random() < 0.4:
            adjustments = []
    elif kind < 0.6:
        more, shipping, shipping_tax, duty = -due, 0, 0, 0
    total = due + more + duty + shipping + (0 if included else shipping_tax)
    moment = f"{at[:10]}T{10 + key % 10:02d}:00:00Z"
    named = [{"id": "gid://shopify/RefundShippingLine/1", "subtotalAmountSet": bag(_text(shipping)), "taxAmountSet": bag(_text(shipping_tax))}]  # fmt: skip
    return {
        **gid("Refund", key), "createdAt": moment, "processedAt": moment, "updatedAt": moment, "note": None,
        "totalRefundedSet": bag(_text(total)), "refundLineItems": back, "refundShippingLines": named if shipping else [],
        "duties": [{"amountSet": bag(_text(duty))}] if duty else [],
        "orderAdjustments": [
            {"id": "gid://shopify/OrderAdjustment/1", "reason": reason, "amountSet": bag(amount), "taxAmountSet": bag("0.00")}
            for amount, reason in adjustments
        ],
    }  # fmt: skip


def _signed(cents: int) -> str:
    return f"-{_text(-cents)}" if cents < 0 else _text(cents)
