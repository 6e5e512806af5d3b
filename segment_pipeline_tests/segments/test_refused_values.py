"""What cannot be meant of values, windows, ranks, former members and predicates is one sentence with what to write instead."""

from datetime import date

import pytest

from segment_pipeline.events import Event
from segment_pipeline.segments.rules import (
    Rule,
    activities,
    ago,
    all_items,
    anniversary_within,
    at_least,
    avg_of,
    between,
    count,
    dates,
    days,
    days_since,
    did,
    distinct,
    ended,
    entered,
    first,
    has,
    holidays,
    hours,
    max_of,
    min_of,
    nth,
    period,
    random_share,
    share,
    sql,
    starts,
    sum_of,
    top,
    trait,
    was_member,
)
from segment_pipeline.segments.validation import validate
from segment_pipeline.segments.vocabulary import Vocabulary, known_events
from segment_pipeline_tests.segments.conftest import segment

KNOWN = Vocabulary(
    events=known_events(
        [Event("plan_chosen", {"plan": "VARCHAR", "seats": "BIGINT"}), Event("booked", {"amount": "DOUBLE"})]
    )
)
ORDERS, LINES = activities("order"), activities("product_bought")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (did("order", within=ended(days(0), ago=days(3))), "has a window on order of 0 days"),
        (did("order", within=hours(0)), "has a window on order of 0 hours: at least 1, and at most 876600"),
        (did("order", within=hours(10**9)), "of 1000000000 hours: at least 1, and at most 876600"),
        (did("order", within=hours(2**63)), "number=9223372036854775808), which is larger than any number is kept"),
        (trait("loyalty_balance") > 2**63, "compares trait loyalty_balance with 9223372036854775808, which is larger than any number is kept"),
        (trait("loyalty_balance") + 1 > -(2**63), "compares a value with -9223372036854775808, which is larger than any"),
        (trait("interests").contains_any(), "asks contains_any of trait interests without a value: name at least one"),
        (trait("interests").contains(), "asks contains of trait interests without a value: name at least one"),
        (did("order", product=at_least(3)), "writes did(product=an Asked): product takes"),  # type: ignore[arg-type]
        (did("order", within=dates(date(2017, 2, 1), date(2017, 1, 1))), "which ends before it begins"),
        (did("order", within=period("month", back=-1)), "-1 periods back: 0 is the present one"),
        (did("order", within=period("fortnight")), 'unit takes "week", "month", "quarter" or "year"'),  # type: ignore[arg-type]
        (did("order", within=holidays("XX")), "of holidays of XX, whose calendar is not known"),
        (did("order", within=holidays("US", "Chrismas Day")), "which is no day of the calendar of US: did you mean Christmas Day?"),
        (did("visit", amount=at_least(3)), "asks for amount of visit, which has none: write it of order"),
        (did("order", amount=between(5, 1)), "has a range of amount on order that ends before it begins"),
        (did("order", weekday="sunday"), "filters order by a weekday that is none: write mon, tue"),
        (did("order", store=starts("a")), "store takes a name or a tuple of names"),  # type: ignore[arg-type]
        (did("plan_chosen", properties={"plan": at_least(3)}), "asks plan of plan_chosen, which is VARCHAR, by what only numbers have"),
        (did("plan_chosen", properties={"seats": has("x")}), "asks seats of plan_chosen, which is BIGINT, by what only texts have"),
        (did("plan_chosen", properties={"plan": all_items("x")}), "by what only lists have"),
        (did("plan_chosen", properties={"size": at_least(1)}), "by the property size, which the catalogue does not declare of it"),
        (sum_of("amount", ORDERS) > trait("city"), "compares a value that is MONEY with one that is VARCHAR"),
        (first("category", LINES) > first("department", LINES), "orders values that are VARCHAR"),
        (count(ORDERS) == count(ORDERS), "compares a value with itself"),
        (ago(days(3)) > ago(days(4)), "compares two values of which neither is a person's"),
        (count(ORDERS) < 0, "counts < 0, which no count is"),
        (distinct("day", ORDERS) >= 0, "counts >= 0, which every count is"),
        (max_of("categry", LINES) > 3, "takes max_of of categry, which is no field of activities"),
        (min_of("category", LINES) == "A", "takes min_of of category, which is VARCHAR: only numbers and days"),
        (avg_of("day", ORDERS) > 3, "takes sum_of of day, which is DATE and no number"),
        (max_of("plan", activities("order")) > 3, "of the property plan, which the catalogue does not declare of order"),
        (nth(0, "day", ORDERS) > date(2017, 1, 1), "asks for the activity number 0: the first has the number 1"),
        (count(activities("product_viewed", never="product_bought")) > count(LINES), "with not_followed_by or never: say it in a rule of its own"),
        (days_since(trait("orders_total")) > 3, "asks for the days since a value that is BIGINT: write a day"),
        (trait("orders_total") * trait("age") > 3, "multiplies two values of a person"),
        (trait("spend_total") * 0.12345 > trait("spend_90d"), "multiplies by 0.12345: a factor has up to 4 digits"),
        (share(ORDERS, ORDERS) + 1 > 2, "reckons with a quotient: compare it as it is"),
        (trait("city") + 1 > 2, "reckons with a value that is VARCHAR"),
        (trait("age").starts("1"), "asks how trait age is written, but it is INTEGER and no text"),
        (anniversary_within("age", days(3)), "asks for anniversaries of trait age, which is INTEGER and no day"),
        (anniversary_within("first_order_on", days(365)), "outside 1 to 364 days"),
        (top("spend_365d"), "asks for the top without exactly one of n and share"),
        (top("spend_365d", share=10), "asks for the top 10 of people: a share of people lies between 0 and 1"),
        (top("aov_365d", n=3), "ranks by trait aov_365d, which is a quotient: rank by spend_365d"),
        (top("spend_365d", n=3, per="stores"), "names trait stores, which does not exist"),
        (top("spend_365d", n=3, among=top("age", n=3)), "asks for the top among a top"),
        (top("spend_365d", n=3, among="nobody"), "refers to segment nobody, which is not declared"),
        (random_share(1.5, "a"), "draws a share of 1.5: a share of people lies between 0 and 1"),
        (was_member("nobody", ago=days(1)), "refers to segment nobody, which is not declared"),
        (was_member("one", ago=days(0)), "days before as_of are 1 and more"),
        (entered("one", within=days(0)), "asks what was on fewer than one day"),
        (avg_of("amount", ORDERS) > 1e30, "compares with 1e+30: a number of up to 18 digits"),
        (avg_of("amount", ORDERS) > 1e-20, "compares with 1e-20: a number of up to 18 digits"),
        (did("order", amount=at_least(1e-50)), "compares amount of order with 1e-50: a number of up to 18 digits"),
        (trait("spend_total") > 1e-45, "compares trait spend_total with 1e-45: a number of up to 18 digits"),
        (trait("orders_total") * 123456789012345678 > 5, "that make more than 36 digits together"),
        (first("category", LINES) == "", "compares with text that is empty"),
        (random_share(1e-12, "a"), "and is not below 1 / 2^32"),
        (top("spend_365d", share=1e-20), "a number of up to 18 digits"),
        (sql("spend_365d >"), "has a predicate that is not one expression"),
        (sql("spend > 3"), "names trait spend, which does not exist"),
        (sql("SELECT 1"), "has a predicate that is not one expression"),
        (sql("age IN (SELECT age FROM traits)"), "has a predicate with a SELECT in it"),
        (sql("age > (SELECT 1 FROM read_csv('/etc/passwd'))"), "uses a file or a function as a table"),
        (sql("max(age) > 3"), "has a predicate with an aggregate"),
        (sql("age > 3; DROP TABLE traits"), "has a predicate that is not one expression"),
        (sql("random() > 0.5"), "is refused"),
        (did("order", store=("a", "a")), "filters order by a twice in one store: once says it"),
        (did("order", weekday=("sat", "sat")), "filters order by sat twice in one weekday"),
        (trait("spend_total") / 0 > 1, "divides by 0: what is divided by 0 or less is unknown of everybody"),
        (max_of("amount", activities("booked")) > 3, 'a property of booked: declare the property by another name, keys={"amount_told": "amount"}'),
        (count(ORDERS).between(5, 1), "counts order between numbers that no count can lie between"),
        (sql("last_order_on = 'spring'"), "whose parts are of types that do not go together"),
        (sql("age LIKE '3%'"), "whose parts are of types that do not go together"),
        (sql("interests = 'running'"), "whose parts are of types that do not go together"),
        (sql("last_order_on > DATE '2017-13-01'"), "whose parts are of types that do not go together"),
        (sql("city"), "in which city is neither true nor false: compare it with something"),
        (sql("age > 3 AND NOT city"), "in which city is neither true nor false"),
        (sql("city = 1"), "that compares text with a number: city = 1"),
        (sql("CAST(city AS INTEGER) > 1"), "that fails where a text is something else: write TRY_CAST(city AS INT)"),
        (sql("unnest(interests) = 'yoga'"), "it is one yes or no of a person"),
        (sql("* > 1"), "it is one yes or no of a person"),
        (sql("city COLLATE NOCASE = 'bonn'"), "alike on every engine"),
        (sql("true"), "without a trait, which all or none meet"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(where: Rule, said: str) -> None:
    found = validate([segment("one", where)], KNOWN)
    assert found
    assert all(text.startswith(f"{__file__.rpartition('/')[0]}") for text in found)
    assert said in " ".join(found), found


def test_a_rank_among_a_segment_that_is_a_rank_is_told() -> None:
    first_ten = segment("first_ten", top("spend_365d", n=10))
    (said,) = validate([first_ten, segment("one", top("age", n=3, among=first_ten))])
    assert "segment one asks for the top among a top: one rank at a time" in said
