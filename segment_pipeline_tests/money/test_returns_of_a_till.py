"""What a till's returns and exchanges take off spend and goods kept; docs/money.md is the definition."""

from decimal import Decimal
from typing import Any

from segment_pipeline_tests.money.asked import Told, money, shared
from segment_pipeline_tests.money.records import JUNE, MAY, C, amount, returned, sale, taxed, till_return
from segment_pipeline_tests.sources import square_records as till


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


def test_a_return_that_names_no_order_lowers_its_own_day_and_product(told: Told) -> None:
    people = told(
        *C,
        sale("S1", "C1", till.line("1", 500), at="2017-01-05T12:00:00"),
        till_return("R1", "C1", returned("r", None, till.line("7", 800, catalog_object_id="V1")), at="2017-12-20T12:00:00"),
    )  # fmt: skip
    one = people["C1"]
    assert (money(one), one.traits["spend_90d"], shared(one)) == ((1, "-3.00"), Decimal("-8.0000"), {"Shoes": "-3.00"})
