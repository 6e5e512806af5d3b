"""Predicates in SQL: what they hold of, on both engines, and what is refused, told with what to write instead."""

from datetime import date
from decimal import Decimal

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.compiler.predicates import problems
from segment_pipeline.profiles.traits.sets import trait_types
from segment_pipeline.segments.rules import sql
from segment_pipeline_tests.segments.conftest import person, who
from segment_pipeline_tests.segments.test_rules_meaning import world

TRAITS = trait_types()
PEOPLE = (
    person(
        "ann", age=34, orders_total=25, orders_90d=3, spend_total=Decimal("450.5"), spend_90d=Decimal("0.5"), lat=41.93286, city="Chicago",
        first_order_on=date(2016, 11, 30), last_order_on=date(2017, 3, 1), interests=["yoga", "running"], gender="female",
    ),
    person(
        "bob", age=18, orders_total=1, orders_90d=0, spend_total=Decimal("-1.5"), spend_90d=Decimal("99999999999999.9999"), lat=-0.5,
        city="", first_order_on=date(2016, 2, 29), last_order_on=date(2016, 2, 29), interests=[],
    ),
    person(
        "cyd", age=90, orders_total=2**63 - 1, orders_90d=9, spend_total=Decimal("2.5"), spend_90d=Decimal("1.25"), lat=89.5,
        city="Ünna", interests=["x"],
    ),
    person("dan", orders_total=0, orders_90d=0, spend_total=Decimal(0), city="100% back\\slash"),
)  # fmt: skip

HOLDS = {
    # What has no value is unknown, not above every number.
    "sqrt(orders_total - 10) > 1": {"ann", "cyd"},
    "ln(orders_total - 1) > 1": {"ann", "cyd"},
    "ln(orders_total) < 0": set(),
    "lat * 1e308 * 1e308 > 3": set(),
    "NOT (lat * 1e308 * 1e308 > 3)": set(),
    "1 / (lat * 1e308 * 1e308) < 1": set(),
    "coalesce(lat * 1e308 * 1e308, 7) = 7": {"ann", "bob", "cyd", "dan"},
    "least(lat * 1e308 * 1e308, 3) = 3": {"ann", "bob", "cyd", "dan"},
    "(lat * 1e308 * 1e308) IS NULL": {"ann", "bob", "cyd", "dan"},
    "age ** 1000 > 3": set(),
    "power(orders_90d, -1) > 0": {"ann", "cyd"},
    "exp(age * 100) > 1": set(),
    "spend_total / orders_90d > 100": {"ann"},
    "orders_total % orders_90d = 1": {"ann"},
    "orders_total // 3 = 8": {"ann"},
    "-orders_total % 3 = -1": {"ann", "bob", "cyd"},
    # Sums and products have room for every digit.
    "orders_total + 9223372036854775807 > 3": {"ann", "bob", "cyd", "dan"},
    "orders_total * age > 800": {"ann", "cyd"},
    "spend_90d * 10000 > 1000000": {"bob"},
    "spend_90d * 1.1 = 0.55": {"ann"},
    "spend_total * spend_90d = 3.125": {"cyd"},
    "spend_total + 0.1 = 450.6": {"ann"},
    "orders_total > 2 * orders_90d": {"ann", "bob", "cyd"},
    "- spend_total > 1": {"bob"},
    "-(TRY_CAST(-2147483648 + orders_90d AS INTEGER)) = 2147483648": {"bob", "dan"},
    "abs(TRY_CAST(-2147483648 + orders_90d AS INTEGER)) = 2147483648": {"bob", "dan"},
    "spend_total > 0.12345678901234567890123": {"ann", "cyd"},
    # Casts round alike, and are unknown where there is no room.
    "CAST(spend_total AS INTEGER) = 451": {"ann"},
    "CAST(spend_total AS INTEGER) % 2 <> 0": {"ann", "cyd"},
    "CAST(orders_total AS INTEGER) >= 0": {"ann", "bob", "dan"},
    "TRY_CAST(city AS INTEGER) > 1": set(),
    "age::VARCHAR = '34'": {"ann"},
    "round(lat) = 42": {"ann"},
    "round(spend_total) = 451": {"ann"},
    "round(spend_total, 1) = 450.5": {"ann"},
    "floor(spend_total) = spend_total": {"dan"},
    "ceil(lat) = 90": {"cyd"},
    "abs(spend_total) = 1.5": {"bob"},
    "lat = 41.93286": {"ann"},
    "spend_total / 3 > 4": {"ann"},
    # Texts.
    "city LIKE 'C%'": {"ann"},
    "city NOT LIKE '%i%'": {"bob", "cyd", "dan"},
    "city ILIKE 'ün%'": {"cyd"},
    "city LIKE '%\\%'": {"dan"},
    "lower(city) = 'chicago' OR upper(city) = 'ÜNNA'": {"ann", "cyd"},
    "left(city, 2) || right(city, 2) = 'Chgo'": {"ann"},
    "substr(city, 2, 3) = 'hic'": {"ann"},
    "length(trim(city)) > 4": {"ann", "dan"},
    "contains(city, 'hi') OR starts_with(city, 'Ü') OR ends_with(city, 'slash')": {"ann", "cyd", "dan"},
    "concat(gender, city) = 'femaleChicago'": {"ann"},
    "city < 'a' AND city >= 'C'": {"ann"},
    "city IN ('Chicago', 'Bonn')": {"ann"},
    # Days.
    "date_diff('month', first_order_on, last_order_on) = 4": {"ann"},
    "date_diff('year', first_order_on, last_order_on) = 1": {"ann"},
    "date_diff('day', first_order_on, last_order_on) = 91": {"ann"},
    "last_order_on - first_order_on = 91": {"ann"},
    "first_order_on + 91 = last_order_on": {"ann"},
    "first_order_on >= '2016-03-01' AND last_order_on < DATE '2018-01-01'": {"ann"},
    "year(first_order_on) = 2016 AND extract(month FROM first_order_on) = 2": {"bob"},
    "strftime(first_order_on, '%m-%d') = '02-29'": {"bob"},
    "TRY_CAST(lower('-INF') AS DATE) IS NULL AND TRY_CAST(lower('2017-1-2') AS DATE) IS NULL AND age = 18": {"bob"},
    "TRY_CAST(substr('2017-01-02x', 1, 10) AS DATE) > first_order_on": {"ann", "bob"},
    "last_order_on + 99999 > DATE '2017-01-01'": {"ann", "bob"},
    # Lists.
    "len(interests) > 1": {"ann"},
    "list_contains(interests, 'x')": {"cyd"},
    # Yes and no.
    "age BETWEEN 18 AND 40 AND NOT age = 18": {"ann"},
    "age IS NOT DISTINCT FROM NULL": {"dan"},
    "age NOT IN (34, 18)": {"cyd"},
    "CASE WHEN age > 50 THEN 'old' WHEN age > 20 THEN 'mid' END = 'mid'": {"ann"},
    "CASE orders_90d WHEN 9 THEN 1.5 ELSE 0 END = 1.5": {"cyd"},
    "if(age > 50, true, false)": {"cyd"},
    "(age > 50) = (lat > 50)": {"ann", "bob", "cyd"},
    "nullif(age, 34) IS NULL": {"ann", "dan"},
    "greatest(age, orders_90d) = 34": {"ann"},
    "(age > 50) IS NOT TRUE": {"ann", "bob", "dan"},
}


@pytest.mark.parametrize("text", HOLDS)
def test_a_predicate_holds_of(lake: Lake, text: str) -> None:
    assert not [*problems(text, TRAITS)]
    assert who(lake, sql(text), world([*PEOPLE])) == HOLDS[text]


REFUSED = {
    # Of another meaning elsewhere.
    "log(orders_total) > 1": "of base 10 on one engine and of e on another: write ln()",
    "log10(orders_total) > 1": "write ln()",
    "left(city, -2) = 'a'": "a length of 0 or more",
    "substr(city, -3) = 'ago'": "a start of 1 or more",
    "format('{}', city) = 'a'": "does not mean the same",
    "printf('%s', city) = 'a'": "does not mean the same on every engine",
    "list_aggregate(interests, 'count') > 1": "does not mean the same",
    "even(lat) = 42": "does not mean the same",
    "jaccard(city, 'Chicago') > 0.5": "the function jaccard(), which does not carry over to every engine: write it with AND, OR, NOT",
    "dayofweek(first_order_on) = 1": "write it with AND, OR, NOT",
    "city[1:3] = 'Chi'": "left(), right(), ||",
    "city ~ '^C'": "write LIKE, contains(), starts_with() or ends_with()",
    "regexp_matches(city, '^C')": "write LIKE, contains()",
    "date_diff('week', first_order_on, last_order_on) > 1": "date_diff('day', …)",
    "strftime(first_order_on, '%j') = '1'": "strftime() of a day with %Y, %m and %d",
    "spend_total::VARCHAR = '1'": "a cast of whole numbers",
    "age BETWEEN SYMMETRIC 40 AND 18": "does not mean the same",
    "xor(age, 1) > 3": "does not mean the same",
    "first_order_on::TIMESTAMP > TIMESTAMP '2017-01-01 00:00:00'": "a cast of whole numbers, days or texts",
    # What fails on a row, or takes all memory.
    "CAST(orders_total AS TINYINT) > 3": "BIGINT, DECIMAL(18,4) or DOUBLE",
    "strptime(city, '%Y') > DATE '2017-01-01'": "write it",
    "chr(age - 200) = 'a'": "does not mean the same",
    "1 << age > 3": "does not mean the same",
    "factorial(age) > 3": "write it",
    "make_date(2017, age, 1) > DATE '2017-01-01'": "does not mean the same",
    "printf('%d', city) = 'a'": "does not mean the same",
    "length(repeat(city, 100000000)) > 3": "does not mean the same",
    "lpad(city, 100000000, 'a') = 'b'": "does not mean the same",
    "replace(city, 'a', 'b') = 'b'": "does not mean the same",
    "last_order_on + age > DATE '2017-01-01'": "a whole number of days, up to 99999",
    "last_order_on + 9999999 > DATE '2017-01-01'": "a whole number of days, up to 99999",
    "orders_total * orders_total * 3 > 3": "more than 37 digits together",
    "spend_total % 2 = 0": "AS BIGINT)",
    # What does not compare.
    "first_order_on = city": "types that do not go together",
    "first_order_on = age": "types that do not go together",
    "interests = interests": "list_contains(…)",
    "age = '34'": "compares text with a number",
    "age = true": "types that do not go together",
    # Lists taken apart, and what else is no yes or no of plain traits.
    "interests[1] = 'x'": "list_contains()",
    "list_sort(interests)[1] = 'x'": "list_contains()",
    "list_filter(interests, x -> x = 'a') = []": "write it",
    "(age, city) = (3, 'x')": "does not mean the same",
    "{'a': age}.a = 34": "write",
    "age = ANY([34, 2])": "does not mean the same",
    "sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(age)))))))) > 1": "nested too deeply",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_a_predicate_is_refused_with_a_way_out(text: str) -> None:
    found = [*problems(text, TRAITS)]
    assert found
    assert REFUSED[text] in found[0]


def test_a_predicate_of_many_parts_is_no_deep_tree() -> None:
    assert not [*problems(" OR ".join(f"age = {n}" for n in range(300)), TRAITS)]
