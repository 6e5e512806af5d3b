"""What a shop's refunds and edits take off spend and goods kept; docs/money.md is the definition."""

from collections.abc import Mapping
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline_tests.money.asked import RULES, Told, money, shared
from segment_pipeline_tests.money.company import Company, shop_products
from segment_pipeline_tests.money.records import (
    APRIL,
    MAY,
    ONE,
    TWO,
    adjusted,
    back,
    free,
    postage,
    web_order,
    web_refund,
)
from segment_pipeline_tests.sources import shopify_records as shop

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


def test_what_was_given_back_is_as_the_newest_version_of_the_order_says(tmp_path: Path) -> None:
    """Money was paid back, and the edit that explains it is told by a later version: the goods come off once."""
    paid, edit = (
        {**each, "processedAt": f"2017-06-0{day}T00:00:00Z", "createdAt": f"2017-06-0{day}T00:00:00Z"}
        for day, each in ((1, web_refund(6, "40.00")), (3, web_refund(5, "0.00", back(TWO, "40.00"))))
    )
    made: dict[str, Any] = {"createdAt": f"{MAY}Z", "processedAt": f"{MAY}Z"}
    until: Any = {"until": "2017-06-03T12:00:00"}
    before = web_order(101, ONE, TWO, at="2017-06-01T12:00:00", refunds=[paid], visible=until, **made)
    after = web_order(101, ONE, TWO, at="2017-06-03T12:00:00", refunds=[paid, edit], **made)
    company = Company(tmp_path)
    records = [*shop_products({"1": "Shoes", "2": "Men"}), shop.customer(1, APRIL), before, after]
    company.land("shopify", records, pulled=["2017-06-02T12:00:00+00:00"])
    then = company.people(RULES, as_of=date(2017, 6, 2))["1"]
    assert (money(then)[1], shared(then)) == ("20.00", {"Men": "13.33", "Shoes": "6.67"})
    now = company.people(RULES)["1"]
    assert (money(now)[1], shared(now)) == ("20.00", {"Men": "0.00", "Shoes": "20.00"})
    assert ("owns_1" in now.segments, now.traits["orders_kept"]) == (True, 1)
