"""What Square's answers say about money, read in plain Python from the answers as they came."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from segment_pipeline_tests.money.definition import Account, Back, Line, Sold, accounts, rate_of

Json = Mapping[str, Any]
DIGITS = {"JPY": 0, "ISK": 0, "KWD": 3}


def read(orders: Iterable[Json], rates: Mapping[str, Mapping[str, str]], zone: str) -> dict[str, Account]:
    """Accounts by customer id."""
    newest: dict[str, Json] = {}
    for order in orders:
        held = newest.get(order["id"])
        if held is None or (order["updated_at"], order["version"]) > (held["updated_at"], held["version"]):
            newest[order["id"]] = order
    paid = {key: order for key, order in newest.items() if _is_paid(order)}
    sold = {key: found for key, order in paid.items() if (found := _sold(order, rates, zone)) is not None}
    loose = []
    for order in paid.values():
        unit, rate = _unit(order), _rate(order, rates, zone)
        for parent, back in _backs(order, unit):
            if parent is None and (person := _customer(order)) is not None and rate is not None:
                loose.append((person, back.product, back.goods * rate))
            elif parent in sold:
                sold[parent].backs.append(back)
    # An exchange may give back goods of one whose buyer is found after it.
    while [key for key, found in sold.items() if found.person is None and _found_buyer(key, paid, sold, newest)]:
        pass
    return accounts(sold.values(), loose)


def _found_buyer(key: str, paid: Mapping[str, Json], sold: Mapping[str, Sold], newest: Mapping[str, Json]) -> bool:
    """Whether the buyer of an exchange without a customer is known by now: the one of all that it gives back."""
    if sold[key].is_order:
        return False
    buyers = {
        sold[parent].person if parent in sold else _customer(newest[parent]) if parent in newest else None
        for parent, _ in _backs(paid[key], _unit(paid[key]))
        if parent is not None
    }
    sold[key].person = buyers.pop() if len(buyers) == 1 else None
    return sold[key].person is not None


def _is_paid(order: Json) -> bool:
    if order["state"] != "OPEN":
        return bool(order["state"] == "COMPLETED")
    total = order["total_money"]["amount"]
    tenders = order.get("tenders") or []
    if not tenders:
        return bool(total > 0 and order.get("net_amount_due_money", {}).get("amount") == 0)
    captured = sum(
        each["amount_money"]["amount"]
        for each in tenders
        if each.get("card_details", {}).get("status", "CAPTURED") == "CAPTURED"
    )
    return bool(captured >= total > 0)


def _sold(order: Json, rates: Mapping[str, Mapping[str, str]], zone: str) -> Sold | None:
    unit, lines = _unit(order), []
    for each in order.get("line_items") or []:
        if each["item_type"] != "GIFT_CARD":
            tax = _tax(each) * unit
            lines.append(
                Line(
                    each["uid"],
                    each.get("catalog_object_id"),
                    each["total_money"]["amount"] * unit - tax,
                    Fraction(each["quantity"]),
                    tax,
                )
            )
    is_order = not order.get("returns")
    goods = [each for each in order.get("line_items") or [] if each["item_type"] != "GIFT_CARD"]
    gross = sum(each["total_money"]["amount"] - _tax(each) + each["total_discount_money"]["amount"] for each in goods)
    cards = sum(
        each["total_money"]["amount"] - _tax(each)
        for each in order.get("line_items") or []
        if each["item_type"] == "GIFT_CARD"
    )
    if not order.get("line_items") and order.get("returns"):
        return None
    if is_order and cards > 0 and gross == 0:
        return None
    return Sold(_customer(order), lines, _rate(order, rates, zone), is_order)


def _backs(order: Json, unit: Fraction) -> Iterable[tuple[str | None, Back]]:
    for returned in order.get("returns") or []:
        for each in returned.get("return_line_items") or []:
            if each["item_type"] == "GIFT_CARD":
                continue
            tax = _tax(each)
            yield (
                returned.get("source_order_id"),
                Back(
                    (each["total_money"]["amount"] - tax) * unit,
                    line=each.get("source_line_item_uid"),
                    product=each.get("catalog_object_id"),
                    units=Fraction(each["quantity"]),
                    holds_tax=tax == 0 and (each["item_type"] == "CUSTOM_AMOUNT" or "total_tax_money" not in each),
                ),
            )


def _tax(line: Json) -> int:
    return sum(int(line.get(name, {}).get("amount", 0)) for name in ("total_tax_money", "total_service_charge_money"))


def _customer(order: Json) -> str | None:
    payers = [each["customer_id"] for each in order.get("tenders") or [] if each.get("customer_id")]
    return order.get("customer_id") or (payers[0] if payers else None)


def _unit(order: Json) -> Fraction:
    return Fraction(1, 10 ** DIGITS.get(order["total_money"]["currency"], 2))


def _rate(order: Json, rates: Mapping[str, Mapping[str, str]], zone: str) -> Fraction | None:
    made = datetime.fromisoformat(order["created_at"]).astimezone(ZoneInfo(zone))
    return rate_of(rates, order["total_money"]["currency"], made.date().isoformat())
