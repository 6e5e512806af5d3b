"""Rules in words: English for one and for many, and brackets where what is reckoned needs them."""

import pytest

from segment_pipeline.segments.rules import (
    Rule,
    activities,
    ago,
    anniversary_within,
    birthday_past,
    birthday_within,
    count,
    days,
    did,
    distinct,
    ended,
    entered,
    holidays,
    hours,
    not_then,
    sequence,
    trait,
    was_member,
)
from segment_pipeline.segments.wording import words

ORDERS, LINES = activities("order"), activities("product_bought")
SPEND, LATE = trait("spend_365d"), trait("spend_90d")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (did("order", within=days(1)), "did order in 1 day"),
        (did("order", within=hours(1)), "did order in 1 hour"),
        (did("order", within=ended(days(1), ago=days(1))), "did order in the 1 day that ended yesterday"),
        (did("order", within=holidays("US", "Christmas Day", before=1)), "did order in the 1 day before Christmas Day (US)"),
        (did("order", at_least=3, at_most=3), "did order exactly 3 times"),
        (did("order", at_least=0, at_most=1), "did order 0 to 1 time"),
        (birthday_within(days(1)), "birthday today"),
        (birthday_within(days(7)), "birthday within 7 days"),
        (birthday_past(days(1)), "birthday yesterday"),
        (anniversary_within("first_order_on", days(1)), "anniversary of first_order_on today"),
        (sequence(ORDERS, LINES, within=days(1)), "order, then product_bought, within 1 day"),
        (not_then(ORDERS, LINES, within=days(1)), "order, and for 1 day afterwards not product_bought"),
        (entered("vip", within=days(1)), "entered vip in the last 1 day"),
        (was_member("vip", ago=days(2)), "was in vip 2 days ago"),
        (trait("last_order_on") < ago(days(1)), "last_order_on < yesterday"),
        (trait("last_order_on") < ago(days(2)), "last_order_on < the day 2 days ago"),
        (distinct("category", LINES) > 2, "number of different categories of product_bought > 2"),
        ((SPEND + LATE) * 2 > 3, "(spend_365d + spend_90d) * 2 > 3"),
        (SPEND - (LATE - 1) > 3, "spend_365d - (spend_90d - 1) > 3"),
        (SPEND - LATE - 1 > 3, "spend_365d - spend_90d - 1 > 3"),
        (SPEND / (count(ORDERS) - 1) > 3, "spend_365d / (number of order - 1) > 3"),
        (SPEND * 2 - 1 > 3, "spend_365d * 2 - 1 > 3"),
        (SPEND / (LATE * 2) > 3, "spend_365d / (spend_90d * 2) > 3"),
        (count(activities("order", within=days(90))) * 2 > 3, "(number of order in 90 days) * 2 > 3"),
    ],
)  # fmt: skip
def test_a_rule_in_words(rule: Rule, said: str) -> None:
    assert words(rule) == said
