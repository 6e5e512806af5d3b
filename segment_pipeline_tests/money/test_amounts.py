"""Amounts that are large, of many digits or in another currency; docs/money.md is the definition."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline_tests.money.asked import Told, money
from segment_pipeline_tests.money.company import Company
from segment_pipeline_tests.money.records import (
    ADA,
    APRIL,
    MAY,
    ONE,
    C,
    amount,
    returned,
    sale,
    taxed,
    till_return,
    web_order,
    web_refund,
)
from segment_pipeline_tests.sources import shopify_records as shop, square_records as till


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


@pytest.mark.parametrize(
    ("currency", "units"), [("ISK", "250"), ("MGA", "2.5"), ("KWD", "0.25"), ("CLF", "0.025"), ("MRU", "2.5")]
)
def test_minor_digits_are_those_of_iso_4217(told: Told, tmp_path: Path, currency: str, units: str) -> None:
    told(*C, sale("S1", "C1", till.line("1", 250), total_money=till.money(250, currency)))
    with Company(tmp_path).lake.session() as session:
        session.scan("orders")
        assert session.value("SELECT net FROM orders") == Decimal(units)


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
