"""Random orders of a till as Square gives them: sales, returns and exchanges of every kind, some in two versions."""

from collections.abc import Iterator
from random import Random
from typing import Any

from segment_pipeline_tests.money.calendar import days_after, noon
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources.square_records import customer, location, money, order

PRODUCTS = {"1": "Shoes", "2": "Men", "3": "Men", "4": "Home", "5": "Beauty"}
Json = dict[str, Any]


def records(random: Random, people: int) -> list[Version]:
    made = [customer(f"C{number}", noon(0)) for number in range(people)]
    made.append(location("L2", currency="CAD"))
    sales: list[Json] = []
    for number in range(people):
        for place in range(random.choice([0, 1, 1, 2, 3, 4])):
            body = _sale(random, f"S{number}-{place}", f"C{number}" if random.random() < 0.95 else None)
            sales.append(body)
            made += _versions(random, body)
    # What is given back of goods that were themselves got in an exchange comes after it.
    for round_ in range(2):
        given, sales = sales, []
        for place, body in enumerate(given):
            if random.random() < 0.4:
                back = _back(random, f"R{round_}-{place}", body, random.choice(given))
                made += _versions(random, back)
                if back.get("line_items"):
                    sales.append(back)
    return made


def _versions(random: Random, body: Json) -> Iterator[Version]:
    """The record as it ends up; of some, another one before."""
    key, at, more = body["id"], body["at"], {k: v for k, v in body.items() if k not in {"id", "at", "route"}}
    route = {"route": body["route"]}
    if random.random() < 0.2:
        changed = noon(days_after(at) + random.randrange(1, 30))
        other = {**more, "state": random.choice(["OPEN", "COMPLETED", "CANCELED"])}
        yield order(key, at, visible={"until": changed}, **route, **other)
        yield order(key, changed, **route, **{**more, "created_at": f"{at}.000Z", "version": 2})
    else:
        yield order(key, at, **route, **more)


def _sale(random: Random, key: str, buyer: str | None) -> Json:
    currency = random.choice(["USD", "USD", "CAD"])
    lines = [_line(random, str(number), currency) for number in range(1, random.choice([1, 1, 2, 3, 4]) + 1)]
    total = sum(line["total_money"]["amount"] for line in lines)
    tip = random.choice([0, 0, 0, 150])
    body: Json = {
        "id": key, "at": noon(random.randrange(1, 180)), "route": "L2" if currency == "CAD" else "L1", "customer_id": buyer,
        "line_items": lines, "total_money": money(total + tip, currency), "state": "COMPLETED",
        "tenders": [{"id": f"T{key}", "type": "CASH", "amount_money": money(total + tip, currency), "tip_money": money(tip, currency)}],
    }  # fmt: skip
    kind = random.random()
    if kind < 0.08:
        body["state"] = "CANCELED"
    elif kind < 0.25:
        status = random.choice(["CAPTURED", "AUTHORIZED"])
        body |= {"state": "OPEN", "fulfillments": [{"uid": "f", "type": "PICKUP", "state": "PROPOSED"}]}
        body["tenders"][0] |= {"type": "CARD", "card_details": {"status": status}}
    elif kind < 0.3:
        body |= {"state": "OPEN", "tenders": None, "net_amount_due_money": money(total + tip, currency)}
    if buyer is not None and body["tenders"] and random.random() < 0.2:
        body |= {"customer_id": None}
        body["tenders"][0]["customer_id"] = buyer
    return body


def _line(random: Random, uid: str, currency: str) -> Json:
    units = random.choice([1, 1, 1, 2, 3])
    gross = units * random.choice([0, 199, 333, 1000, 1999, 4950])
    discount = random.choice([0, 0, gross // 10, gross])
    net = gross - discount
    tax = random.choice([0, net // 10, net * 7 // 100])
    charge = random.choice([0, 0, 0, net // 20])
    product = random.choice([*PRODUCTS, None])
    kind = "ITEM" if product else random.choice(["CUSTOM_AMOUNT", "GIFT_CARD"])
    if kind == "GIFT_CARD":
        gross, discount, net, tax, charge = 5000, 0, 5000, 0, 0
    return {
        "uid": uid, "catalog_object_id": product and f"V{product}", "name": "Goods", "quantity": str(units), "item_type": kind,
        "base_price_money": money(gross // units, currency), "gross_sales_money": money(gross, currency),
        "total_discount_money": money(discount, currency), "total_tax_money": money(tax, currency),
        "total_service_charge_money": money(charge, currency), "total_money": money(net + tax + charge, currency),
    }  # fmt: skip


def _back(random: Random, key: str, sold: Json, other: Json) -> Json:
    """A return, or an exchange, of what one order sold and at times of what another did as well."""
    currency = sold["total_money"]["currency"]
    returns = [_returned(random, "a", sold, currency)]
    if random.random() < 0.2 and other["id"] != sold["id"] and other["total_money"]["currency"] == currency:
        returns.append(_returned(random, "b", other, currency))
    lines = [_line(random, "1", currency)] if random.random() < 0.4 else None
    at = max(days_after(each["at"]) for each in (sold, other)) + random.randrange(1, 80)
    return {
        "id": key, "at": noon(min(at, 350)), "route": sold["route"], "line_items": lines, "returns": returns,
        "customer_id": random.choice([sold["customer_id"], sold["customer_id"], None, "C0"]), "state": "COMPLETED",
        "total_money": money(sum(line["total_money"]["amount"] for line in lines or []), currency),
    }  # fmt: skip


def _returned(random: Random, uid: str, sold: Json, currency: str) -> Json:
    named = {"source_order_id": sold["id"]} if random.random() < 0.85 else {}
    lines = []
    for number, line in enumerate(random.sample(sold["line_items"], random.randint(1, len(sold["line_items"])))):
        units = random.randint(1, int(line["quantity"]))
        back = {**line, "uid": f"{number}", "quantity": str(units)}
        for name in ("total_discount_money", "total_tax_money", "total_service_charge_money", "total_money"):
            back[name] = money(line[name]["amount"] * units // int(line["quantity"]), currency)
        if random.random() < 0.7:
            back["source_line_item_uid"] = line["uid"]
        if random.random() < 0.2:
            paid = random.choice([back["total_money"]["amount"], sold["total_money"]["amount"], 77])
            back = {
                "uid": f"{number}", "quantity": "1", "item_type": "CUSTOM_AMOUNT", "total_money": money(paid, currency),
                "total_tax_money": money(0, currency), "total_discount_money": money(0, currency),
            }  # fmt: skip
        lines.append(back)
    return {"uid": uid, "return_line_items": lines, **named}
