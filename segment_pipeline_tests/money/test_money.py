"""What counts as money and as bought, from vendors' records to traits, shares and segments; docs/money.md is the definition."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.segments.rules import Rule, activities, did, did_not, share_of_spend, sum_of, trait
from segment_pipeline_tests.money.company import Company, Person, shop_products, till_products
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources import shopify_records as shop, square_records as till

DEPARTMENTS = {"1": "Shoes", "2": "Men", "3": "Home"}
RULES: dict[str, Rule] = {
    "ordered": did("order"),
    "bought": did("product_bought"),
    "bought_nothing": did_not("product_bought"),
    "owns_1": did("product_bought", product=("SKU1", "W-1")),
    "spent_more_than_0": sum_of("amount", activities("order")) > 0,
    "spent_300": sum_of("amount", activities("order")) >= 300,
    "newcomer": trait("lifecycle_stage") == "new",
    "all_shoes": share_of_spend(department="Shoes", lifetime=True) >= 1,
}
Told = Callable[..., dict[str, Person]]
APRIL, MAY, JUNE = "2017-04-05T12:00:00", "2017-05-05T12:00:00", "2017-06-05T12:00:00"


@pytest.fixture
def told(tmp_path: Path) -> Told:
    def run(*records: Version, **more: Any) -> dict[str, Person]:
        company = Company(tmp_path)
        for vendor in ("square", "shopify"):
            mine = [record for record in records if record[0] == vendor]
            products = till_products(DEPARTMENTS) if vendor == "square" else shop_products(DEPARTMENTS)
            if mine:
                company.land(vendor, [*products, *mine])
        return company.people(RULES, **more)

    return run


def money(person: Person) -> tuple[int, str]:
    """Orders and spend; what segments sum up is the same."""
    spend = person.traits["spend_total"]
    assert ("spent_more_than_0" in person.segments) == (spend > 0)
    assert ("spent_300" in person.segments) == (spend >= 300)
    return person.traits["orders_total"], f"{spend:.2f}"


def shared(person: Person) -> dict[str, str]:
    """Net of goods kept by department."""
    return {value: f"{spend:.2f}" for (kind, value), spend in person.shares.items() if kind == "department"}


# Shopify


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


ONE, TWO = shop.line(1, "20.00"), shop.line(2, "40.00")
ADA = shop.customer(1, APRIL)
WEB: dict[str, tuple[Mapping[str, Any], tuple[str, dict[str, str]]]] = {
    # dbt_shopify 2: a total that includes postage is taken for goods.
    "postage alone": (
        {"lineItems": [ONE], "refunds": [web_refund(5, "7.50", refundShippingLines=postage("7.50"))]},
        ("20.00", {"Shoes": "20.00"}),
    ),
    "more postage than goods": (
        {"lineItems": [shop.line(1, "5.00")], "refunds": [web_refund(5, "15.00", refundShippingLines=postage("15.00"))]},
        ("5.00", {"Shoes": "5.00"}),
    ),
    "goods and taxed postage": (
        {
            "lineItems": [ONE, TWO],
            "refunds": [web_refund(5, "29.00", back(ONE, "20.00", tax="1.00"), refundShippingLines=postage("7.50", "0.50"))],
        },
        ("40.00", {"Men": "40.00", "Shoes": "0.00"}),
    ),
    "duties": (
        {"lineItems": [ONE], "refunds": [web_refund(5, "3.00", duties=[{"amountSet": shop.bag("3.00")}])]},
        ("20.00", {"Shoes": "20.00"}),
    ),
    # Goods returned are not the money returned: a fee for restocking was kept.
    "less paid back than the goods were": (
        {"lineItems": [ONE], "refunds": [web_refund(5, "15.00", back(ONE, "20.00"))]},
        ("5.00", {"Shoes": "0.00"}),
    ),
    "less paid back, with the reason": (
        {
            "lineItems": [ONE],
            "refunds": [web_refund(5, "15.00", back(ONE, "20.00"), orderAdjustments=adjusted("5.00", "RESTOCK"))],
        },
        ("5.00", {"Shoes": "0.00"}),
    ),
    "less paid back of taxed goods": (
        {
            "lineItems": [{**ONE, "taxLines": [{"title": "VAT", "rate": 0.1, "priceSet": shop.bag("2.00")}]}],
            "refunds": [web_refund(5, "16.50", back(ONE, "20.00", tax="2.00"))],
        },
        ("5.00", {"Shoes": "0.00"}),
    ),
    "more paid back than the goods were, as a kindness": (
        {
            "lineItems": [ONE, TWO],
            "refunds": [web_refund(5, "24.00", back(ONE, "20.00"), orderAdjustments=adjusted("-4.00", "CUSTOMER"))],
        },
        ("36.00", {"Men": "36.00", "Shoes": "0.00"}),
    ),
    # dbt_shopify 13: an edit that takes a line off is a refund of nothing; the money may follow in one without lines.
    "an edit as a refund of nothing": (
        {"lineItems": [ONE, TWO], "refunds": [web_refund(5, "0.00", back(TWO, "40.00"))]},
        ("20.00", {"Men": "0.00", "Shoes": "20.00"}),
    ),
    "an edit and its money in a refund of its own": (
        {"lineItems": [ONE, TWO], "refunds": [web_refund(5, "0.00", back(TWO, "40.00")), web_refund(6, "40.00")]},
        ("20.00", {"Men": "0.00", "Shoes": "20.00"}),
    ),
    "an edit, its money and a kindness": (
        {
            "lineItems": [ONE, TWO],
            "refunds": [
                web_refund(5, "0.00", back(TWO, "40.00"), orderAdjustments=adjusted("40.00", "PENDING_REFUND_DISCREPANCY")),
                web_refund(6, "40.00", orderAdjustments=adjusted("-40.00", "PENDING_REFUND_DISCREPANCY")),
                web_refund(7, "5.00", orderAdjustments=adjusted("-5.00", "CUSTOMER")),
            ],
        },
        ("15.00", {"Men": "0.00", "Shoes": "15.00"}),
    ),
    "an edit without a refund": (
        {"lineItems": [ONE, {**TWO, "currentQuantity": 0}]},
        ("20.00", {"Shoes": "20.00"}),
    ),
    "an edit of some units": (
        {"lineItems": [shop.line(1, "30.00", quantity=3, currentQuantity=1)]},
        ("10.00", {"Shoes": "10.00"}),
    ),
    "an edit of one unit and a refund of another": (
        {
            "lineItems": [shop.line(1, "30.00", quantity=3, currentQuantity=1)],
            "refunds": [web_refund(5, "10.00", back(ONE, "10.00"))],
        },
        ("10.00", {"Shoes": "10.00"}),
    ),
    # A tip is a line without a product; so is free text, which is goods.
    "a tip": (
        {
            "lineItems": [TWO, shop.line(3, "5.00", product=None, title="Tip", sku=None)],
            "totalTipReceivedSet": shop.bag("5.00"),
        },
        ("40.00", {"Men": "40.00"}),
    ),
    "a tip called otherwise, beside free text": (
        {
            "lineItems": [
                TWO, shop.line(3, "5.00", product=None, title="Danke", sku=None),
                shop.line(4, "9.00", product=None, title="Hemming", sku=None),
            ],
            "totalTipReceivedSet": shop.bag("5.00"),
        },
        ("49.00", {"Men": "40.00"}),
    ),
    "goods of the tip's price": (
        {"lineItems": [TWO, free(3, "5.00", "Tip"), free(4, "5.00", "Hemming")], "totalTipReceivedSet": shop.bag("5.00")},
        ("45.00", {"Men": "40.00"}),
    ),
    "a deleted product of the tip's price": (
        {"lineItems": [TWO, {**ONE, "product": None}, free(3, "20.00", "Tip")], "totalTipReceivedSet": shop.bag("20.00")},
        ("60.00", {"Men": "40.00"}),
    ),
    "a deleted product of the price of a tip called otherwise": (
        {"lineItems": [TWO, {**ONE, "product": None}, free(3, "20.00", "Danke")], "totalTipReceivedSet": shop.bag("20.00")},
        ("60.00", {"Men": "40.00"}),
    ),
    "a deleted product of the price of two tips called otherwise": (
        {
            "lineItems": [TWO, {**ONE, "product": None}, free(3, "12.00", "Danke"), free(4, "8.00", "Merci")],
            "totalTipReceivedSet": shop.bag("20.00"),
        },
        ("60.00", {"Men": "40.00"}),
    ),
    "two tips called otherwise, beside free text": (
        {
            "lineItems": [TWO, free(3, "3.00", "Danke"), free(4, "2.00", "Merci"), free(5, "9.00", "Hemming")],
            "totalTipReceivedSet": shop.bag("5.00"),
        },
        ("49.00", {"Men": "40.00"}),
    ),
    "a tip by name and one called otherwise": (
        {
            "lineItems": [TWO, free(3, "3.00", "Tip"), free(4, "2.00", "Merci"), free(5, "9.00", "Hemming")],
            "totalTipReceivedSet": shop.bag("5.00"),
        },
        ("49.00", {"Men": "40.00"}),
    ),
    "two of the tip's price, neither called a tip": (
        {"lineItems": [TWO, free(3, "5.00", "Hemming"), free(4, "5.00", "Danke")], "totalTipReceivedSet": shop.bag("5.00")},
        ("45.00", {"Men": "40.00"}),
    ),
    "more called tips than there were tips": (
        {"lineItems": [TWO, free(3, "5.00", "Tip"), free(4, "9.00", "Tips")], "totalTipReceivedSet": shop.bag("5.00")},
        ("49.00", {"Men": "40.00"}),
    ),
    "free text that comes to no tips": (
        {"lineItems": [TWO, free(3, "3.00", "Hemming"), free(4, "4.00", "Wrap")], "totalTipReceivedSet": shop.bag("5.00")},
        ("47.00", {"Men": "40.00"}),
    ),
    "free text": (
        {
            "lineItems": [shop.line(4, "9.00", product=None, title="Hemming", sku=None)],
            "totalTipReceivedSet": shop.bag("0.00"),
        },
        ("9.00", {}),
    ),
    "a tip paid back": (
        {
            "lineItems": [TWO, shop.line(3, "5.00", product=None, title="Tip", sku=None)],
            "totalTipReceivedSet": shop.bag("5.00"),
            "refunds": [web_refund(5, "5.00", back(shop.line(3, "5.00"), "5.00"))],
        },
        ("40.00", {"Men": "40.00"}),
    ),
    # A refund that names no line is of all of them.
    "a whole order": ({"lineItems": [ONE, TWO], "refunds": [web_refund(5, "60.00")]}, ("0.00", {"Men": "0.00", "Shoes": "0.00"})),
    "a quarter of an order": (
        {"lineItems": [ONE, TWO], "refunds": [web_refund(5, "15.00")]},
        ("45.00", {"Men": "30.00", "Shoes": "15.00"}),
    ),
    "a whole order with its tax": (
        {
            "lineItems": [{**ONE, "taxLines": [{"title": "VAT", "rate": 0.1, "priceSet": shop.bag("2.00")}]}],
            "refunds": [web_refund(5, "22.00")],
        },
        ("0.00", {"Shoes": "0.00"}),
    ),
    "half an order with its tax": (
        {
            "lineItems": [{**ONE, "taxLines": [{"title": "VAT", "rate": 0.1, "priceSet": shop.bag("2.00")}]}],
            "refunds": [web_refund(5, "11.00")],
        },
        ("10.00", {"Shoes": "10.00"}),
    ),
    "more than the order": ({"lineItems": [ONE], "refunds": [web_refund(5, "27.50")]}, ("0.00", {"Shoes": "0.00"})),
    # Shops whose prices include tax.
    "tax in the price": (
        {
            "taxesIncluded": True,
            "lineItems": [{**shop.line(1, "24.00"), "taxLines": [{"title": "VAT", "rate": 0.2, "priceSet": shop.bag("4.00")}]}],
        },
        ("20.00", {"Shoes": "20.00"}),
    ),
    "tax in the price, given back": (
        {
            "taxesIncluded": True,
            "lineItems": [
                {**shop.line(1, "24.00"), "taxLines": [{"title": "VAT", "rate": 0.2, "priceSet": shop.bag("4.00")}]},
                {**shop.line(2, "12.00"), "taxLines": [{"title": "VAT", "rate": 0.2, "priceSet": shop.bag("2.00")}]},
            ],
            "refunds": [web_refund(5, "30.00", back(shop.line(1, "24.00"), "24.00", tax="4.00"), refundShippingLines=postage("6.00", "1.00"))],
        },
        ("10.00", {"Men": "10.00", "Shoes": "0.00"}),
    ),
    "a gift card bought beside goods, both given back": (
        {
            "lineItems": [ONE, shop.line(3, "50.00", isGiftCard=True)],
            "refunds": [web_refund(5, "70.00", back(ONE, "20.00"), back(shop.line(3, "50.00", isGiftCard=True), "50.00"))],
        },
        ("0.00", {"Shoes": "0.00"}),
    ),
}  # fmt: skip


PAID_FOR: dict[str, tuple[list[tuple[str, list[dict[str, Any]]]], tuple[str, dict[str, str]]]] = {
    "all of the edit": ([("0.00", [back(ONE, "20.00")]), ("20.00", [])], ("40.00", {"Men": "40.00", "Shoes": "0.00"})),
    "less than the edit": ([("0.00", [back(ONE, "20.00")]), ("5.00", [])], ("40.00", {"Men": "40.00", "Shoes": "0.00"})),
    "more than the edit": ([("0.00", [back(ONE, "20.00")]), ("40.00", [])], ("20.00", {"Men": "20.00", "Shoes": "0.00"})),
    "two edits": (
        [("0.00", [back(ONE, "20.00")]), ("60.00", []), ("0.00", [back(TWO, "40.00")])],
        ("0.00", {"Men": "0.00", "Shoes": "0.00"}),
    ),
    "an edit in two payments": (
        [("15.00", []), ("0.00", [back(ONE, "20.00")]), ("5.00", [])],
        ("40.00", {"Men": "40.00", "Shoes": "0.00"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("apart", [True, False], ids=["an hour apart", "at one instant"])
def test_an_edit_and_its_money_come_off_once_in_whatever_order_they_are_told(told: Told, apart: bool) -> None:  # noqa: FBT001
    """Money may be promised before the goods are taken off; refunds of one instant have no order, nor have their ids."""
    turns = [(name, turn) for name, (refunds, _) in PAID_FOR.items() for turn in permutations(refunds)]
    records = []
    for number, (_, turn) in enumerate(turns, start=1):
        refunds = []
        for place, (total, lines) in enumerate(turn):
            at = f"2017-06-05T{place * apart:02d}:00:00Z"
            refunds.append({**web_refund(number * 100 + 9 + place, total, *lines), "processedAt": at, "createdAt": at})
        records += [shop.customer(number, APRIL), web_order(number, ONE, TWO, customer=number, refunds=refunds)]
    people = told(*records)
    for number, (name, _) in enumerate(turns, start=1):
        person, expected = people[str(number)], PAID_FOR[name][1]
        assert (name, money(person)[1], shared(person)) == (name, *expected)
        kept = any(net != "0.00" for net in expected[1].values())
        assert (person.traits["orders_kept"], "owns_1" in person.segments) == (kept, False)


def test_a_shops_orders_and_refunds_become(told: Told) -> None:
    customers = [shop.customer(number, APRIL) for number in range(1, len(WEB) + 1)]
    orders = []
    for number, (record, _) in enumerate(WEB.values(), start=1):
        # Ids of refunds are a shop's, not an order's.
        refunds = [
            {**each, **shop.gid("Refund", f"{number}{each['legacyResourceId']}")} for each in record.get("refunds", ())
        ]
        orders.append(
            shop.order(100 + number, MAY, customer=shop.gid("Customer", number), **{**record, "refunds": refunds})
        )
    people = told(*customers, *orders)
    found = {name: people[str(number)] for number, name in enumerate(WEB, start=1)}
    assert {name: (money(person)[1], shared(person)) for name, person in found.items()} == {
        name: expected for name, (_, expected) in WEB.items()
    }
    assert {money(person)[0] for person in found.values()} == {1}
    kept = {name for name, person in found.items() if person.traits["orders_kept"] == 1}
    assert kept == {
        name
        for name, (_, (_, shares)) in WEB.items()
        if name == "free text" or any(v != "0.00" for v in shares.values())
    }
    assert {name for name, person in found.items() if "bought" in person.segments} == kept
    assert all("ordered" in person.segments for person in found.values())


PAYMENTS = {
    "PAID": 1, "PARTIALLY_PAID": 1, "PARTIALLY_REFUNDED": 1, "REFUNDED": 1, "PENDING": 0, "AUTHORIZED": 0, "EXPIRED": 0, "VOIDED": 0,
}  # fmt: skip


def test_a_shops_order_counts_once_money_for_it_was_captured(told: Told) -> None:
    states = [*PAYMENTS, None]
    customers = [shop.customer(number, APRIL) for number in range(len(states))]
    orders = [
        web_order(100 + number, ONE, customer=number, displayFinancialStatus=state)
        for number, state in enumerate(states)
    ]
    people = told(*customers, *orders)
    assert [people[str(n)].traits["orders_total"] for n in range(len(states))] == [*PAYMENTS.values(), 0]
    assert {people[str(n)].traits["lifecycle_stage"] for n in range(4, 9)} == {"prospect"}


def test_who_was_paid_back_all_ordered_and_neither_spent_nor_owns(told: Told) -> None:
    """woocommerce 23273: an order of 400 that was refunded as a whole is still 400 to whoever looks at orders alone."""
    dear = shop.line(1, "400.00")
    late = "2017-12-20T12:00:00"
    people = told(
        shop.customer(1, APRIL),
        shop.customer(2, APRIL),
        web_order(101, dear, at=late, refunds=[web_refund(5, "400.00", back(dear, "400.00"))]),
        web_order(102, dear, at=late, customer=2),
    )
    one, two = people["1"], people["2"]
    assert (money(one), one.traits["orders_kept"]) == ((1, "0.00"), 0)
    assert one.segments == {"ordered", "bought_nothing", "newcomer"}
    assert two.segments == {
        "ordered",
        "bought",
        "owns_1",
        "spent_more_than_0",
        "spent_300",
        "newcomer",
        "all_shoes",
    }


def test_an_order_worth_nothing_is_an_order_and_no_buyers(told: Told) -> None:
    people = told(
        shop.customer(1, APRIL),
        shop.customer(2, APRIL),
        web_order(101, shop.line(1, "20.00", discount="20.00")),
        web_order(102, ONE, customer=2),
    )
    one, two = people["1"].traits, people["2"].traits
    assert (one["orders_total"], one["orders_365d"], one["value_tier"], one["rfm_m"], one["value_tier_lifetime"]) == (
        1,
        1,
        "none",
        None,
        "none",
    )
    assert two["value_tier"] != "none"


def test_amounts_too_large_to_add_up_cost_their_record_alone(told: Told, tmp_path: Path) -> None:
    huge = shop.line(1, "99999999999999.9999")
    people = told(
        ADA,
        till.customer("C1", APRIL),
        web_order(101, huge, shop.line(2, "99999999999999.9999")),
        web_order(102, ONE),
        till.order("S1", MAY, customer_id="C1", line_items=[till.line("1", 9 * 10**18), till.line("2", 9 * 10**18)]),
        till.order("S2", MAY, customer_id="C1"),
    )
    assert (money(people["1"]), money(people["C1"])) == ((1, "20.00"), (1, "2.50"))
    with Company(tmp_path).lake.session() as session:
        session.scan("quarantine")
        refused = session.rows("SELECT key, reason FROM quarantine ORDER BY key")
    assert refused == [
        {"key": "101", "reason": "amounts too large to add up"},
        {"key": "S1", "reason": "amounts too large to add up"},
    ]


# Square


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


C = [till.customer(f"C{number}", APRIL) for number in range(1, 10)]


def test_tax_comes_off_what_is_given_back_as_it_came_off_the_sale(told: Told) -> None:
    """Square's forum, 12104: a taxed sale given back as one amount took more off than it had brought."""
    people = told(
        *C,
        sale("S1", "C1", taxed(till.line("1", 1100), 100)),
        till_return("R1", "C1", returned("r", "S1", amount("7", 1100))),
        sale("S2", "C2", taxed(till.line("1", 1100), 100)),
        till_return("R2", "C2", returned("r", "S2", amount("7", 550))),
        sale("S3", "C3", taxed(till.line("1", 1100), 100), till.line("2", 900)),
        till_return("R3", "C3", returned("r", "S3", {**till.line("7", 900, source_line_item_uid="2"), "catalog_object_id": "V2"})),
        # Tips and service charges are in what was paid, and in no net.
        sale("S4", "C4", {**till.line("1", 1100), "total_service_charge_money": till.money(100)}, total_money=till.money(1300)),
        till_return("R4", "C4", returned("r", "S4", amount("7", 1300))),
    )  # fmt: skip
    assert [money(people[f"C{n}"]) for n in range(1, 5)] == [(1, "0.00"), (1, "5.00"), (1, "10.00"), (1, "0.00")]
    assert [shared(people[f"C{n}"]) for n in range(1, 5)] == [
        {"Shoes": "0.00"},
        {"Shoes": "5.00"},
        {"Shoes": "10.00", "Men": "0.00"},
        {"Shoes": "0.00"},
    ]


def test_goods_of_an_exchange_can_be_given_back_too(told: Told) -> None:
    people = told(
        *C,
        sale("S", "C1", till.line("1", 500)),
        till.order(
            "X", MAY, customer_id="C1", line_items=[till.line("2", 9000)],
            returns=[returned("r", "S", till.line("7", 500, source_line_item_uid="1", catalog_object_id="V1"))],
        ),
        till_return("R", "C1", returned("r", "X", till.line("8", 9000, source_line_item_uid="2", catalog_object_id="V2")), at=JUNE),
    )  # fmt: skip
    assert (money(people["C1"]), shared(people["C1"])) == ((1, "0.00"), {"Shoes": "0.00", "Men": "0.00"})
    assert "bought" not in people["C1"].segments


def test_each_return_of_an_order_is_of_the_sale_it_names(told: Told) -> None:
    people = told(
        *C,
        sale("S1", "C1", till.line("1", 300)),
        sale("S2", "C2", till.line("1", 700)),
        till_return("R", "C3", returned("a", "S1", till.line("1", 300)), returned("b", "S2", till.line("1", 700))),
        # One of two names no sale: it is the customer's own.
        sale("S4", "C4", till.line("1", 1000)),
        till_return("Q", "C4", returned("a", "S4", till.line("1", 200)), returned("b", None, amount("1", 300))),
    )
    assert [money(people[f"C{n}"]) for n in range(1, 5)] == [(1, "0.00"), (1, "0.00"), (0, "0.00"), (1, "5.00")]


def test_an_exchange_without_a_customer_is_hers_whose_goods_come_back(told: Told) -> None:
    swap: dict[str, Any] = {
        "line_items": [till.line("2", 619)],
        "returns": [returned("r", "S", till.line("7", 619, source_line_item_uid="1"))],
    }
    people = told(*C, sale("S", "C1", till.line("1", 619)), till.order("X", MAY, **swap))
    one = people["C1"]
    assert (money(one), shared(one)) == ((1, "6.19"), {"Shoes": "0.00", "Men": "6.19"})
    assert {"bought", "spent_more_than_0"} <= one.segments
    assert "owns_1" not in one.segments


def test_an_exchange_without_a_customer_of_two_peoples_goods_is_nobodys(told: Told) -> None:
    both = [returned("a", "S1", till.line("1", 300)), returned("b", "S2", till.line("1", 300))]
    people = told(
        *C,
        sale("S1", "C1", till.line("1", 300)),
        sale("S2", "C2", till.line("1", 400)),
        till.order("X", MAY, line_items=[till.line("2", 600)], returns=both),
    )
    assert [money(people[f"C{n}"]) for n in (1, 2)] == [(1, "0.00"), (1, "1.00")]


def tender(total: int, status: str | None = None, tip: int = 0) -> dict[str, Any]:
    card = {"type": "CARD", "card_details": {"status": status}} if status else {"type": "CASH"}
    return {"id": "T", "amount_money": till.money(total), "tip_money": till.money(tip), **card}


PICKUP = [{"uid": "f", "type": "PICKUP", "state": "PROPOSED"}]
OPEN: list[tuple[dict[str, Any], int]] = [
    ({"tenders": [tender(250, "CAPTURED")], "fulfillments": PICKUP}, 1),
    ({"tenders": [tender(250)], "fulfillments": PICKUP}, 1),
    ({"tenders": [tender(100), tender(150, "CAPTURED")], "net_amount_due_money": till.money(0)}, 1),
    ({"net_amount_due_money": till.money(0)}, 1),
    ({"tenders": [tender(250, "AUTHORIZED")], "net_amount_due_money": till.money(0)}, 0),
    ({"tenders": [tender(250, "VOIDED")]}, 0),
    ({"tenders": [tender(100, "CAPTURED")], "net_amount_due_money": till.money(150)}, 0),
    ({"net_amount_due_money": till.money(250), "fulfillments": PICKUP}, 0),
    ({}, 0),
]


def test_a_tills_order_counts_once_it_is_paid_whatever_its_delivery(told: Told) -> None:
    orders = [
        till.order(f"S{n}", MAY, customer_id=f"C{n + 1}", state="OPEN", **more) for n, (more, _) in enumerate(OPEN)
    ]
    people = told(*C, *orders)
    assert [people[f"C{n + 1}"].traits["orders_total"] for n in range(len(OPEN))] == [paid for _, paid in OPEN]
    assert people["C8"].traits["lifecycle_stage"] == "prospect"


def test_what_was_never_counted_takes_nothing_off(told: Told) -> None:
    """A return of a test order, of one that was cancelled or never paid, or of one from before all history."""
    people = told(
        *C,
        sale("S1", "C1", till.line("1", 10000)),
        sale("cancelled", "C1", till.line("1", 8000), state="CANCELED"),
        till_return("R1", "C1", returned("r", "cancelled", till.line("7", 8000))),
        sale("open", "C1", till.line("1", 8000), state="OPEN"),
        till_return("R2", "C1", returned("r", "open", till.line("7", 8000))),
        till_return("R3", "C1", returned("r", "of 2009", till.line("7", 8000))),
    )
    assert money(people["C1"]) == (1, "100.00")


def test_a_return_that_names_no_order_lowers_its_own_day_and_product(told: Told) -> None:
    people = told(
        *C,
        sale("S1", "C1", till.line("1", 500), at="2017-01-05T12:00:00"),
        till_return("R1", "C1", returned("r", None, till.line("7", 800, catalog_object_id="V1")), at="2017-12-20T12:00:00"),
    )  # fmt: skip
    one = people["C1"]
    assert (money(one), one.traits["spend_90d"], shared(one)) == ((1, "-3.00"), Decimal("-8.0000"), {"Shoes": "-3.00"})


def test_what_is_given_back_is_converted_at_the_rate_of_its_order(told: Told) -> None:
    cad: dict[str, Any] = {"total_money": till.money(1000, "CAD")}
    people = told(
        *C,
        sale("S1", "C1", till.line("1", 1000), **cad),
        till_return("R1", "C1", returned("r", "S1", till.line("7", 1000)), at="2017-08-05T12:00:00", **cad),
        sale("S2", "C2", till.line("1", 1000), **cad),
        till_return("R2", "C2", returned("r", "S2", amount("7", 333)), at="2017-08-05T12:00:00", **cad),
    )
    # (10.00 - 3.33) x 0.8, rounded once.
    assert [str(people[f"C{n}"].traits["spend_total"]) for n in (1, 2)] == ["0.0000", "5.3360"]


def test_large_orders_are_taken_back_like_small_ones(told: Told) -> None:
    """Products of two decimals are as narrow as those, unless somebody says otherwise."""
    cad: dict[str, Any] = {"total_money": till.money(10**13, "CAD")}
    people = told(
        *C,
        sale("S1", "C1", till.line("1", 10**13), till.line("2", 10**13), **cad),
        till_return("R1", "C1", returned("r", "S1", amount("7", 10**13)), **cad),
        sale("S2", "C2", taxed(till.line("1", 11 * 10**12), 10**12)),
        till_return("R2", "C2", returned("r", "S2", amount("7", 11 * 10**11))),
        shop.customer(1, APRIL),
        web_order(101, shop.line(1, "100000000000.00"), refunds=[web_refund(5, "50000000000.00")]),
    )
    spend = [people[key].traits["spend_total"] for key in ("C1", "C2", "1")]
    assert spend == [Decimal("80000000000"), Decimal("90000000000"), Decimal("50000000000")]


def test_goods_paid_with_a_gift_card_count_and_the_card_does_not(told: Told) -> None:
    card = {**till.line("2", 5000), "item_type": "GIFT_CARD", "catalog_object_id": None}
    people = told(
        *C,
        sale("S1", "C1", card),
        sale("S2", "C1", till.line("1", 1000), tenders=[{"id": "T", "type": "SQUARE_GIFT_CARD", "amount_money": till.money(1000)}]),
        sale("S3", "C2", till.line("1", 1000), card),
    )  # fmt: skip
    assert [money(people[f"C{n}"]) for n in (1, 2)] == [(1, "10.00"), (1, "10.00")]


@pytest.mark.parametrize(
    ("currency", "units"), [("ISK", "250"), ("MGA", "2.5"), ("KWD", "0.25"), ("CLF", "0.025"), ("MRU", "2.5")]
)
def test_minor_digits_are_those_of_iso_4217(told: Told, tmp_path: Path, currency: str, units: str) -> None:
    told(*C, sale("S1", "C1", till.line("1", 250), total_money=till.money(250, currency)))
    with Company(tmp_path).lake.session() as session:
        session.scan("orders")
        assert session.value("SELECT net FROM orders") == Decimal(units)


def test_a_free_article_goes_back_with_what_it_came_with(told: Told) -> None:
    free = shop.line(1, "0.00")
    people = told(
        shop.customer(1, APRIL),
        shop.customer(2, APRIL),
        shop.customer(3, APRIL),
        web_order(101, free, TWO),
        web_order(102, free, TWO, customer=2, refunds=[web_refund(5, "40.00")]),
        web_order(103, free, TWO, customer=3, refunds=[web_refund(6, "0.00", back(free, "0.00"))]),
    )
    assert [("owns_1" in people[n].segments, people[n].traits["orders_kept"]) for n in "123"] == [
        (True, 1),
        (False, 0),
        (False, 1),
    ]
