"""Records of a shop and of a till as the tests of money write them: orders, refunds, returns."""

from typing import Any

from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources import shopify_records as shop, square_records as till

APRIL, MAY, JUNE = "2017-04-05T12:00:00", "2017-05-05T12:00:00", "2017-06-05T12:00:00"


def web_order(number: int, *lines: dict[str, Any], at: str = MAY, customer: int = 1, **more: Any) -> Version:
    return shop.order(number, at, customer=shop.gid("Customer", customer), lineItems=[*lines], **more)


def web_refund(number: int, total: str, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """`lines`: refunded lines, as `back` makes them."""
    return {**shop.refund(number, total, []), "refundLineItems": list(lines), **more}


def back(line: dict[str, Any], subtotal: str, quantity: int = 1, tax: str = "0.00") -> dict[str, Any]:
    return {"quantity": quantity, "lineItem": line, "subtotalSet": shop.bag(subtotal), "totalTaxSet": shop.bag(tax)}


def free(number: int, total: str, title: str) -> dict[str, Any]:
    """A line without a product: free text, or a tip."""
    return shop.line(number, total, product=None, title=title, sku=None)


def postage(amount: str, tax: str = "0.00") -> list[dict[str, Any]]:
    return [
        {
            "id": "gid://shopify/RefundShippingLine/1",
            "subtotalAmountSet": shop.bag(amount),
            "taxAmountSet": shop.bag(tax),
        }
    ]


def adjusted(amount: str, reason: str, tax: str = "0.00") -> list[dict[str, Any]]:
    return [
        {
            "id": "gid://shopify/OrderAdjustment/1",
            "reason": reason,
            "amountSet": shop.bag(amount),
            "taxAmountSet": shop.bag(tax),
        }
    ]


def sale(key: str, customer: str | None, *lines: dict[str, Any], at: str = APRIL, **more: Any) -> Version:
    return till.order(key, at, customer_id=customer, line_items=[*lines], **more)


def returned(uid: str, parent: str | None, *lines: dict[str, Any]) -> dict[str, Any]:
    named = {"source_order_id": parent} if parent else {}
    return {"uid": uid, "return_line_items": [*lines], **named}


def amount(uid: str, total: int, **more: Any) -> dict[str, Any]:
    """Something given back that is no article."""
    return {**till.line(uid, total), "item_type": "CUSTOM_AMOUNT", "catalog_object_id": None, **more}


def till_return(key: str, customer: str | None, *returns: dict[str, Any], at: str = MAY, **more: Any) -> Version:
    return till.order(key, at, customer_id=customer, line_items=None, returns=[*returns], **more)


def taxed(line: dict[str, Any], tax: int) -> dict[str, Any]:
    return {**line, "total_tax_money": till.money(tax)}


def tender(total: int, status: str | None = None, tip: int = 0) -> dict[str, Any]:
    card = {"type": "CARD", "card_details": {"status": status}} if status else {"type": "CASH"}
    return {"id": "T", "amount_money": till.money(total), "tip_money": till.money(tip), **card}


ONE, TWO = shop.line(1, "20.00"), shop.line(2, "40.00")


ADA = shop.customer(1, APRIL)


C = [till.customer(f"C{number}", APRIL) for number in range(1, 10)]
