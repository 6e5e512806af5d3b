"""Which orders of a shop and a till count, and which of them are worth something; docs/money.md is the definition."""

from typing import Any

from segment_pipeline_tests.money.asked import Told, money
from segment_pipeline_tests.money.records import (
    APRIL,
    MAY,
    ONE,
    C,
    back,
    returned,
    sale,
    tender,
    till_return,
    web_order,
    web_refund,
)
from segment_pipeline_tests.sources import shopify_records as shop, square_records as till

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


def test_goods_paid_with_a_gift_card_count_and_the_card_does_not(told: Told) -> None:
    card = {**till.line("2", 5000), "item_type": "GIFT_CARD", "catalog_object_id": None}
    people = told(
        *C,
        sale("S1", "C1", card),
        sale("S2", "C1", till.line("1", 1000), tenders=[{"id": "T", "type": "SQUARE_GIFT_CARD", "amount_money": till.money(1000)}]),
        sale("S3", "C2", till.line("1", 1000), card),
    )  # fmt: skip
    assert [money(people[f"C{n}"]) for n in (1, 2)] == [(1, "10.00"), (1, "10.00")]
