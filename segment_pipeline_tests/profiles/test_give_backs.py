"""What people gave back: lines of goods and money as activities, both what the definition of money takes off, and what traits say then."""

from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import Row, at, customer, jan, line, order, product, refund
from segment_pipeline_tests.profiles.snapshots import Put
from segment_pipeline_tests.profiles.test_activities import activities, brief
from segment_pipeline_tests.profiles.trait_rows import traits

NAMES = {"product_returned", "order_refunded"}
COLUMNS = ("name", "occurred_on", "item_key", "quantity", "amount", "order_key")


def bought(put: Put, *more: Row, **columns: Any) -> None:
    """An order of two boots for 40 and a hat for 10, and what else is there."""
    put("customers", [customer("square", "A")])
    put("products", [product("square", "V1", skus=["boot"], category="Boots"), product("square", "V2", skus=["hat"])])
    sold = order("square", "O1", jan(2), "50", customer_key="A", store_key="7", coupon_codes=["TEN"], **columns)
    put("orders", [sold, *(row for row in more if "line_number" not in row)])
    lines = [
        line("square", "O1", "1", jan(2), "40", product_key="V1", quantity=Decimal(2)),
        line("square", "O1", "2", jan(2), "10", product_key="V2"),
    ]
    put("order_lines", lines + [row for row in more if "line_number" in row])


def told(lake: Lake, day: int = 31) -> list[tuple[Any, ...]]:
    def plain(value: Any) -> Any:
        return float(value) if isinstance(value, Decimal) else value.day if hasattr(value, "day") else value

    found = brief(activities(lake, jan(day), names=NAMES), *COLUMNS)
    return [tuple(map(plain, row)) for row in found]


@pytest.mark.also_on_spark(
    "profiles/facts/goods_given_back",
    "profiles/facts/money_given_back",
    "profiles/facts/activities_returns",
    "profiles/facts/activities_refunds",
)
def test_a_line_given_back_is_returned_and_its_money_refunded(lake: Lake, put: Put) -> None:
    bought(put)
    put("refunds", [refund("square", "R", "O1", jan(5), "20", line_number="1", quantity=Decimal(1))])
    assert told(lake, 4) == []
    assert told(lake) == [
        ("order_refunded", 5, None, None, 20.0, "O1"),
        ("product_returned", 5, "boot", 1.0, 20.0, "O1"),
    ]
    rows = activities(lake, names=NAMES)
    assert brief(rows, "channel", "store_key", "coupon_codes", "local_at") == [("store", "7", ["TEN"], None)] * 2
    assert [row["category"] for row in rows] == [None, "Boots"]


def test_a_refund_of_the_whole_order_gives_back_all_of_its_lines_and_one_of_a_part_none(lake: Lake, put: Put) -> None:
    bought(put)
    put("refunds", [refund("square", "R1", "O1", jan(5), "5"), refund("square", "R2", "O1", jan(7), "45")])
    assert told(lake, 6) == [("order_refunded", 5, None, None, 5.0, "O1")]
    assert told(lake) == [
        ("order_refunded", 5, None, None, 5.0, "O1"),
        ("order_refunded", 7, None, None, 45.0, "O1"),
        ("product_returned", 7, "boot", 2.0, 40.0, "O1"),
        ("product_returned", 7, "hat", 1.0, 10.0, "O1"),
    ]


def test_what_names_a_line_says_when_it_was_given_back_whatever_the_order_was_paid_later(lake: Lake, put: Put) -> None:
    bought(put)
    named = refund("square", "R1", "O1", jan(5), "10", line_number="2", quantity=Decimal(1))
    put("refunds", [named, refund("square", "R2", "O1", jan(9), "40")])
    found = [row for row in told(lake) if row[0] == "product_returned"]
    assert [row[1:4] for row in found] == [(5, "hat", 1.0), (9, "boot", 2.0)]


def test_nothing_is_given_back_twice_and_it_is_worth_what_the_day_of_the_order_says(lake: Lake, put: Put) -> None:
    """Twice the boots for an order in another currency: no more than was sold, at the rate of then."""
    bought(put, currency="EUR", net_base=Decimal(100), rate_day=jan(2))
    put("rates", [{"source": "ecb", "currency": "EUR", "rate_day": jan(2), "rate": Decimal(2), "day": jan(2)}])
    twice = [
        refund("square", f"R{n}", "O1", jan(day), "40", line_number="1", quantity=Decimal(2), currency="EUR")
        for n, day in ((1, 5), (2, 6))
    ]
    put("refunds", twice)
    assert told(lake) == [
        ("order_refunded", 5, None, None, 80.0, "O1"),
        ("order_refunded", 6, None, None, 20.0, "O1"),
        ("product_returned", 6, "boot", 2.0, 80.0, "O1"),
    ]


def test_a_return_of_a_till_is_of_the_order_it_names_and_one_that_names_none_of_its_own_day(
    lake: Lake, put: Put
) -> None:
    back = order("square", "X1", jan(5), "-20", kind="return", customer_key="A", parent_order_key="O1")
    loose = order("square", "X2", jan(6), "-10", kind="return", customer_key="A")
    lines = [
        line("square", key, "return:1", jan(day), net, product_key=of, quantity=Decimal(-1), tax=Decimal(0))
        for key, day, net, of in (("X1", 5, "-20", "V1"), ("X2", 6, "-10", "V2"))
    ]
    bought(put, back, loose, *lines)
    assert told(lake) == [
        ("order_refunded", 5, None, None, 20.0, "O1"),
        ("product_returned", 5, "boot", 1.0, 20.0, "O1"),
        ("order_refunded", 6, None, None, 10.0, None),
        ("product_returned", 6, "hat", 1.0, 10.0, None),
    ]


def test_an_exchange_gives_back_goods_and_what_never_counted_nothing(lake: Lake, put: Put) -> None:
    swap = order("square", "X1", jan(5), "5", kind="exchange", customer_key="A", parent_order_key="O1")
    open_order = order("square", "O9", jan(3), "9", customer_key="A", status="open")
    lines = [
        line("square", "X1", "return:1", jan(5), "-20", product_key="V1", quantity=Decimal(-1), tax=Decimal(0)),
        line("square", "X1", "1", jan(5), "25", product_key="V2"),
        line("square", "O9", "1", jan(3), "9", product_key="V2"),
    ]
    bought(put, swap, open_order, *lines)
    put("refunds", [refund("square", "R", "O9", jan(6), "9", line_number="1", quantity=Decimal(1))])
    assert told(lake) == [
        ("order_refunded", 5, None, None, 20.0, "O1"),
        ("product_returned", 5, "boot", 1.0, 20.0, "O1"),
    ]


def test_what_is_sold_is_kept_or_given_back(lake: Lake, put: Put) -> None:
    bought(put)
    put("refunds", [refund("square", "R", "O1", jan(5), "15", line_number="1", quantity=Decimal(1))])
    rows = activities(lake, names={"product_bought", "product_returned"})
    assert sum(row["quantity"] for row in rows) == 3
    assert sum(row["amount"] for row in rows) == 50


@pytest.mark.also_on_spark("profiles/facts/refunds_as_of")
def test_what_an_orders_versions_tell_is_as_its_version_of_the_day_says(lake: Lake, put: Put) -> None:
    """Money is paid back for the whole order; then it turns out to be for the boots; then nothing was given back at all."""
    versions = (2, 5, 8, 11)
    put("customers", [customer("shopify", "A")])
    put("orders", [order("shopify", "O", jan(2), "50", customer_key="A", updated=jan(day)) for day in versions])
    parts = [
        line("shopify", "O", number, jan(2), net, product_key=f"V{number}", updated=jan(day))
        for day in versions
        for number, net in (("1", "40"), ("2", "10"))
    ]
    put("order_lines", parts)
    paid = refund("shopify", "R", "O", jan(5), "40", told_with_order=True)
    named = refund("shopify", "R/1", "O", jan(5), "40", line_number="1", quantity=Decimal(1), told_with_order=True)
    put("refunds", [paid, named | {"updated_at": at(jan(8)), "day": jan(8)}])
    money = ("order_refunded", 5, None, None, 40.0, "O")
    assert told(lake, 4) == []
    assert told(lake, 7) == [money]
    assert told(lake, 10) == [money, ("product_returned", 5, "shopify:V1", 1.0, 40.0, "O")]
    assert told(lake, 12) == []


def test_a_refund_that_is_a_record_of_its_own_goes_by_its_own_versions(lake: Lake, put: Put) -> None:
    """One is corrected; the other is of the very time of a version of its order, which is changed later."""
    put("customers", [customer("square", "A")])
    put("orders", [order("square", "O", jan(2), "50", customer_key="A", updated=jan(day)) for day in (2, 5, 8)])
    put("order_lines", [line("square", "O", "1", jan(2), "50", updated=jan(day)) for day in (2, 5, 8)])
    corrected = refund("square", "R", "O", jan(5), "20") | {"updated_at": at(jan(7)), "day": jan(7)}
    put("refunds", [refund("square", "R", "O", jan(5), "40"), corrected, refund("square", "S", "O", jan(5), "3")])
    assert [row[4] for row in told(lake, 6)] == [43.0]
    assert [row[4] for row in told(lake, 9)] == [23.0]


def test_the_top_department_is_of_what_a_refund_that_names_no_line_leaves(lake: Lake, put: Put) -> None:
    """It comes off what is left of each line: of boots for 10 and a hat for 20 after those of 30, of nothing after all of it."""
    put("customers", [customer("square", "A")])
    put("products", [product("square", "V1", department="Shoes"), product("square", "V2", department="Hats")])
    put("orders", [order("square", "O1", jan(2), "60", customer_key="A")])
    put(
        "order_lines",
        [line("square", "O1", n, jan(2), net, product_key=f"V{n}") for n, net in (("1", "40"), ("2", "20"))],
    )
    of_boots = refund("square", "R1", "O1", jan(4), "30", line_number="1")
    put("refunds", [refund("square", "R0", "O1", jan(3), "15"), of_boots, refund("square", "R2", "O1", jan(6), "15")])
    found = [traits(lake, jan(day))["A"] for day in (2, 3, 4, 6)]
    assert [(a["spend_total"], a["top_department"]) for a in found] == [
        (60, "Shoes"),
        (45, "Shoes"),
        (15, "Hats"),
        (0, None),
    ]


def test_a_return_of_a_test_order_takes_nothing_off(lake: Lake, put: Put) -> None:
    back = order("square", "X1", jan(5), "-40", kind="return", customer_key="A", parent_order_key="T1")
    tried = order("square", "T1", jan(3), "40", customer_key="A", status="test")
    lines = [
        line("square", "T1", "1", jan(3), "40", product_key="V1"),
        line("square", "X1", "return:1", jan(5), "-40", product_key="V1", quantity=Decimal(-1), tax=Decimal(0)),
    ]
    bought(put, tried, back, *lines)
    assert told(lake) == []
    a = traits(lake, jan(31))["A"]
    assert (a["orders_total"], a["orders_kept"], a["spend_total"]) == (1, 1, 50)
