"""What Shopify's answers say about money, read in plain Python from the answers as they came."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from segment_pipeline_tests.money.definition import ZERO, Account, Back, Line, Sold, accounts, rate_of

Json = Mapping[str, Any]


def read(orders: Iterable[Json], rates: Mapping[str, Mapping[str, str]], zone: str) -> dict[str, Account]:
    """Accounts by customer id."""
    newest: dict[str, Json] = {}
    for order in orders:
        key = order["legacyResourceId"]
        if key not in newest or order["updatedAt"] > newest[key]["updatedAt"]:
            newest[key] = order
    sold = []
    for order in newest.values():
        captured = order["displayFinancialStatus"] in {"PAID", "PARTIALLY_PAID", "PARTIALLY_REFUNDED", "REFUNDED"}
        if captured and not order["test"] and order["cancelledAt"] is None:
            sold.append(_sold(order, rates, zone))
    return accounts((each for each in sold if each is not None), [])


def _sold(order: Json, rates: Mapping[str, Mapping[str, str]], zone: str) -> Sold | None:
    tips, refunds = _tips(order), order["refunds"]
    refunded: dict[str, int] = {}
    for refund in refunds:
        for each in refund["refundLineItems"]["nodes"]:
            refunded[each["lineItem"]["id"]] = refunded.get(each["lineItem"]["id"], 0) + each["quantity"]
    lines, taken_off, cards, gross = [], ZERO, ZERO, ZERO
    for each in order["lineItems"]["nodes"]:
        if each["isGiftCard"]:
            cards += _money(each["originalTotalSet"])
        if each["isGiftCard"] or each["id"] in tips:
            continue
        tax = sum((_money(one["priceSet"]) for one in each["taxLines"]), ZERO)
        net = _money(each["originalTotalSet"]) - (tax if order["taxesIncluded"] else 0)
        net -= sum((_money(one["allocatedAmountSet"]) for one in each["discountAllocations"]), ZERO)
        removed = max(each["quantity"] - each["currentQuantity"] - refunded.get(each["id"], 0), 0)
        share = Fraction(each["quantity"] - removed, each["quantity"])
        taken_off += net * (1 - share)
        if share:
            gross += _money(each["originalTotalSet"]) * share
            product = (each["product"] or {}).get("legacyResourceId")
            lines.append(Line(each["id"], product, net * share, Fraction(each["quantity"] - removed), tax * share))
    if cards > 0 and gross == 0:
        return None
    made = datetime.fromisoformat(order["processedAt"]).astimezone(ZoneInfo(zone)).date().isoformat()
    found = Sold(
        order["customer"] and order["customer"]["legacyResourceId"], lines, rate_of(rates, order["currencyCode"], made)
    )
    found.backs = list(_backs(order, tips, taken_off))
    return found


def _backs(order: Json, tips: set[str], taken_off: Fraction) -> Iterable[Back]:
    """Edits take their lines off; what refunds without lines paid, whenever, pays first what all edits took off."""
    settled = ZERO
    for refund in sorted(order["refunds"], key=lambda each: (each["processedAt"], each["legacyResourceId"])):
        included = order["taxesIncluded"]
        paid = _paid(refund, included=included)
        adjustments = refund["orderAdjustments"]["nodes"]
        more = max(-sum((_money(each["amountSet"]) for each in adjustments), ZERO), ZERO)
        items = refund["refundLineItems"]["nodes"]
        due = sum(
            (_money(each["subtotalSet"]) + (0 if included else _money(each["totalTaxSet"])) for each in items), ZERO
        )
        backs = [
            Back(
                _money(each["subtotalSet"]) - (_money(each["totalTaxSet"]) if included else 0),
                line=each["lineItem"]["id"],
                units=Fraction(each["quantity"]),
            )
            for each in items
            if not each["lineItem"]["isGiftCard"] and each["lineItem"]["id"] not in tips
        ]
        goods = sum((back.goods for back in backs), ZERO)
        if items:
            money = ZERO if paid <= 0 else goods * paid / due if paid < due else goods + min(paid - due, more)
            if money == 0:
                taken_off += goods
                money = goods
            for back in backs:
                back.money = back.goods if money >= goods else back.goods * money / goods
            yield from backs
            if money > goods:
                yield Back(money - goods)
        elif paid > 0:
            told = sum((_money(each["taxAmountSet"]) for each in adjustments), ZERO)
            money = _untaxed(order, tips, paid) if told == 0 else max(paid + told, ZERO)
            if all(each["reason"] in {None, "PENDING_REFUND_DISCREPANCY"} for each in adjustments):
                settled += money
            elif money > 0:
                yield Back(money)
    if settled > taken_off:
        yield Back(settled - taken_off)


def _paid(refund: Json, *, included: bool) -> Fraction:
    """What was paid back without postage and duties."""
    paid = _money(refund["totalRefundedSet"])
    for each in refund["refundShippingLines"]["nodes"]:
        paid -= _money(each["subtotalAmountSet"]) + (0 if included else _money(each["taxAmountSet"]))
    return paid - sum((_money(each["amountSet"]) for each in refund["duties"] or []), ZERO)


def _untaxed(order: Json, tips: set[str], paid: Fraction) -> Fraction:
    """An amount without the tax it holds, as much as the goods of the order."""
    found = _sold({**order, "refunds": _without_money(order["refunds"])}, {}, "UTC")
    net = sum((line.net for line in found.lines), ZERO) if found else ZERO
    tax = sum((line.tax for line in found.lines), ZERO) if found else ZERO
    return paid * net / (net + tax) if net > 0 and tax > 0 else paid


def _without_money(refunds: Iterable[Json]) -> list[Json]:
    # Their lines alone say how many units of a line were refunded and not taken off.
    return [
        {**each, "totalRefundedSet": {"shopMoney": {"amount": "0"}}}
        for each in refunds
        if each["refundLineItems"]["nodes"]
    ]


def _tips(order: Json) -> set[str]:
    """Lines called a tip, as far as the tips reach; of the others those that come to just what is left, with a SKU last."""
    total = _money(order["totalTipReceivedSet"])
    bare = {
        each["id"]: each
        for each in order["lineItems"]["nodes"]
        if each["product"] is None and not each["isGiftCard"] and _money(each["originalTotalSet"]) > 0
    }
    worth = {key: _money(each["originalTotalSet"]) for key, each in bare.items()}
    found, left = set(), total
    for key in sorted((k for k in bare if bare[k]["title"] == "Tip"), key=lambda k: (worth[k] != total, worth[k], k)):
        if worth[key] > left:
            break
        found.add(key)
        left -= worth[key]
    others = sorted((k for k in bare if bare[k]["title"] != "Tip"), reverse=True)
    for several in ([k for k in others if not bare[k]["sku"]], others):
        added: list[str] = []
        for key in sorted(several, key=lambda k: (worth[k] != left, worth[k])):
            added.append(key)
            if sum((worth[k] for k in added), ZERO) == left:
                return found | set(added)
    return found


def _money(bag: Json) -> Fraction:
    return Fraction(bag["shopMoney"]["amount"])
