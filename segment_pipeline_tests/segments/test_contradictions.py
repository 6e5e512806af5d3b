"""What nobody can meet, or everybody meets, whatever the data: refused, for a rule alone and for rules together."""

import time
from datetime import date
from itertools import product
from random import Random
from typing import Any

import pytest

from segment_pipeline.events import Event
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.segments import rules
from segment_pipeline.segments.evaluate import World, members
from segment_pipeline.segments.library import bought_without, lapsed
from segment_pipeline.segments.possible import Possible
from segment_pipeline.segments.rules import (
    Rule,
    activities,
    all_of,
    any_of,
    days,
    did,
    did_not,
    member_of,
    none_of,
    sum_of,
    trait,
)
from segment_pipeline.segments.validation import problems
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline_tests.segments.conftest import segment

birthday_within, inside, near, share_of_spend = rules.birthday_within, rules.inside, rules.near, rules.share_of_spend
STAGE, LAST = trait("lifecycle_stage"), trait("days_since_last_order")
PLANS = [Event("plan_chosen", {"plan": "VARCHAR", "seats": "BIGINT", "trial": "BOOLEAN"})]
KNOWN = Vocabulary.of([], PLANS)


def said(where: Rule, known: Vocabulary = KNOWN) -> str:
    """The one sentence about a rule, without its place."""
    (text,) = problems([segment("s", where)], known).get("s", [": segment s "])
    return text.partition(": segment s ")[2]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (trait("orders_90d") == 2.5, "compares trait orders_90d with 2.5, which it never is: it is a whole number"),
        (trait("age").isin(18, 20.5), "compares trait age with 20.5, which it never is: it is a whole number"),
        (trait("spend_365d") == 0.12345, "compares trait spend_365d with 0.12345, which it never is: it has 4 digits after the point"),
        (trait("orders_90d").between(2.2, 2.8), "asks for orders_90d from 2.2 to 2.8, which nobody meets"),
        (trait("spend_365d") > 1e300, "asks for spend_365d > 1e+300, which nobody meets"),
        (trait("email_reachable").is_unknown(), "asks for email_reachable is unknown, which nobody meets"),
        (all_of(trait("age") > 30, trait("age") < 20), "asks for age > 30 and age < 20 together, which nobody meets"),
        (all_of(did("visit"), all_of(trait("age") > 20, trait("age") < 21)), "asks for age > 20 and age < 21 together, which nobody meets"),
        (all_of(trait("city") == "Bonn", trait("city") == "Cork"), "asks for city == Bonn and city == Cork together, which nobody meets"),
        (all_of(trait("city") == "Bonn", trait("city") != "Bonn"), "asks for city == Bonn and city != Bonn together, which nobody meets"),
        (all_of(trait("age") >= 20, trait("age").is_unknown()), "asks for age >= 20 and age is unknown together, which nobody meets"),
        (all_of(trait("first_order_on") < date(2017, 1, 1), trait("first_order_on") >= date(2017, 1, 1)), "asks for first_order_on < 2017-01-01 and first_order_on >= 2017-01-01 together, which nobody meets"),
        (all_of(trait("email_reachable").is_true(), trait("email_reachable").is_false()), "asks for email_reachable == True and email_reachable == False together, which nobody meets"),
        (all_of(did("visit"), did_not("visit")), "asks for did visit and did not visit together, which nobody meets"),
        (all_of(did("visit"), none_of(did("visit"))), "asks for did visit and none of (did visit) together, which nobody meets"),
        (all_of(did("visit", within=days(7)), did_not("visit", within=days(30))), "asks for did visit in 7 days and did not visit in 30 days together, which nobody meets"),
        (all_of(did("visit", category="A", at_least=3), did("visit", at_most=2)), "asks for did visit, category A at least 3 times and did visit 1 to 2 times together, which nobody meets"),
        (all_of(did_not("order"), trait("orders_total") >= 1), "asks for did not order and orders_total >= 1 together, which nobody meets"),
        (all_of(did_not("visit", within=days(30)), trait("visits_7d") > 2), "asks for did not visit in 30 days and visits_7d > 2 together, which nobody meets"),
        (bought_without("Boots", "Boots", days(3)), "asks for did product_bought, category Boots in 3 days and did not product_bought, category Boots in 3 days together, which nobody meets"),
        (sum_of("amount", activities("order")).between(100, 50), "asks for sum of amount of order >= 100 and sum of amount of order <= 50 together, which nobody meets"),
        (share_of_spend(department="Men").between(0.5, 0.2), "asks for share of spend on department Men >= 0.5 and share of spend on department Men <= 0.2 together, which nobody meets"),
        (all_of(STAGE == "churned", LAST.between(10, 100)), "asks for lifecycle_stage == churned and days_since_last_order from 10 to 100 together, which nobody meets: churned is 181 or more days_since_last_order"),
        (all_of(STAGE.isin("churned"), LAST == 100), "asks for lifecycle_stage in churned and days_since_last_order == 100 together, which nobody meets: churned is 181 or more days_since_last_order"),
        (all_of(STAGE == "churned", did("order", within=days(181))), "asks for lifecycle_stage == churned and did order in 181 days together, which nobody meets: churned is 181 or more days_since_last_order"),
        (all_of(STAGE == "active", LAST > 90), "asks for lifecycle_stage == active and days_since_last_order > 90 together, which nobody meets: active is 0 to 90 days_since_last_order"),
        (all_of(STAGE == "new", LAST > 30), "asks for lifecycle_stage == new and days_since_last_order > 30 together, which nobody meets: new is 0 to 30 days_since_last_order"),
        (all_of(STAGE == "at_risk", did_not("order")), "asks for lifecycle_stage == at_risk and did not order together, which nobody meets: at_risk is 91 to 180 days_since_last_order"),
        (all_of(STAGE == "prospect", did("order")), "asks for lifecycle_stage == prospect and did order together, which nobody meets: prospect is without an order"),
        (all_of(STAGE == "churned", STAGE == "new"), "asks for lifecycle_stage == churned and lifecycle_stage == new together, which nobody meets: churned is 181 or more days_since_last_order; new is 0 to 30 days_since_last_order"),
        (all_of(STAGE == "churned", any_of(LAST < 100, LAST < 50)), "asks for lifecycle_stage == churned and any of (days_since_last_order < 100; days_since_last_order < 50) together, which nobody meets: churned is 181 or more days_since_last_order"),
        (all_of(LAST < 5, did_not("order", within=days(5))), "asks for days_since_last_order < 5 and did not order in 5 days together, which nobody meets"),
        (none_of(did("visit"), did_not("visit")), "asks for none of (did visit; did not visit), which nobody meets"),
        (all_of(STAGE == "churned", any_of(LAST < 100, did("visit"))), "has the alternative days_since_last_order < 100, which nobody meets who meets the terms beside it"),
    ],
)  # fmt: skip
def test_what_nobody_can_meet_is_refused_with_the_terms_that_contradict_each_other(where: Rule, text: str) -> None:
    assert said(where) == text


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (trait("age") >= 0, 'asks for age >= 0, which everybody meets of whom it is known: write none_of(trait("age").is_unknown())'),
        (trait("spend_percentile") <= 1, 'asks for spend_percentile <= 1, which everybody meets of whom it is known: write none_of(trait("spend_percentile").is_unknown())'),
        (trait("value_tier").isin("top", "mid", "low", "none"), 'asks for value_tier in top, mid, low, none, which everybody meets of whom it is known: write none_of(trait("value_tier").is_unknown())'),
        (trait("email_reachable").isin(True, False), "asks for email_reachable in True, False, which everybody meets: leave it out"),
        (share_of_spend(department="Men") >= 0, "asks for share of spend on department Men >= 0, which everybody meets of whom it is known"),
        (any_of(did("visit"), did_not("visit")), "asks for any of (did visit; did not visit), which everybody meets: leave it out"),
        (any_of(trait("age") >= 20, trait("age") < 20), 'asks for any of (age >= 20; age < 20), which everybody meets of whom it is known: write none_of(trait("age").is_unknown())'),
        (any_of(trait("age") >= 20, did("visit"), trait("age") < 20), "asks for any of (age >= 20; did visit; age < 20), which everybody meets of whom it is known"),
        (any_of(did("visit", within=days(30)), did_not("visit", within=days(7))), "asks for any of (did visit in 30 days; did not visit in 7 days), which everybody meets: leave it out"),
        (did("order", local_hour=(0, 24)), "has local hours on order that are the whole day: leave local_hour out"),
        (near(0, 0, 20_015), "has a radius of 20015 km, within which everything lies: half way round is 20015 km"),
        (birthday_within(days(365)), 'has a birthday window outside 1 to 364 days, today included: of a whole year, write none_of(trait("birth_day").is_unknown())'),
        (did("plan_chosen", properties={"trial": (True, False)}), "filters plan_chosen by trial of True and of False: name one of them"),
    ],
)  # fmt: skip
def test_what_everybody_meets_is_refused_with_what_to_write(where: Rule, text: str) -> None:
    assert said(where) == text


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (trait("city").isin("Bonn", "Bonn"), "compares trait city with 'Bonn' twice: once says it"),
        (did("product_bought", category=("Boots", "Boots")), "filters product_bought by Boots twice in one category: once says it"),
        (did("product_bought", product=("B1", "B1")), "filters product_bought by B1 twice in one product: once says it"),
        (did("plan_chosen", properties={"plan": ("a", "a")}), "compares plan with 'a' twice: once says it"),
        (any_of(did("visit"), did("visit")), "holds did visit twice in one any_of: once says it"),
        (sum_of("amount", activities("order")).isin(3, 3), "holds sum of amount of order == 3 twice in one any_of: once says it"),
    ],
)  # fmt: skip
def test_what_stands_twice_is_refused_as_one_of_them_is_meant_to_be_another(where: Rule, text: str) -> None:
    assert said(where) == text


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (inside((0, 0), (1, 1), (2, 2)), "has a polygon whose corners lie in one line, so that nobody is inside"),
        (inside((0, 170), (0, -170), (10, -170), (10, 170)), "has a polygon with an edge of more than 180 degrees of longitude: split one that crosses the date line in two"),
        (did("plan_chosen", properties={"seats": 2**53 + 1}), "compares seats with 9007199254740993: numbers of events are told apart up to 9007199254740992"),
        (did("plan_chosen", properties={"seats": 2.5}), "filters plan_chosen by seats, which is BIGINT, with a float: write a whole number"),
        (trait("postcode") == 45202, 'compares trait postcode, which is VARCHAR, with an int: write text, "…"'),
    ],
)  # fmt: skip
def test_what_means_something_else_than_it_says_is_refused(where: Rule, text: str) -> None:
    assert said(where).startswith(text)


@pytest.mark.parametrize(
    "where",
    [
        lapsed(at_most=days(182)), all_of(STAGE == "churned", did_not("order", within=days(181))), all_of(STAGE == "at_risk", LAST.between(91, 180)),
        all_of(STAGE.isin("new", "churned"), LAST > 200), all_of(STAGE != "prospect", LAST == 0), all_of(STAGE.is_unknown(), LAST.is_unknown()),
        all_of(trait("age") > 20, trait("age") < 22), all_of(trait("markdown_share") > 0.1, trait("markdown_share") < 0.1001), trait("age").between(20, 20),
        all_of(did("visit", within=days(30)), did_not("visit", within=days(7))), all_of(did("visit", category="A"), did_not("visit", category="B")),
        all_of(did("visit"), did_not("visit", category="A")), all_of(did("visit", at_least=2), did("visit", category="A", at_most=1)),
        all_of(did("product_viewed", same_product=True, at_least=2), did("product_viewed", at_most=2)), all_of(did("visit", category=("A", "B")), did_not("visit", category="A")),
        all_of(did("product_bought", collection="latest", category="A"), did_not("product_bought", collection="latest", brand="B")),
        all_of(did_not("order"), trait("orders_total").is_unknown()), all_of(did("order"), LAST > 5), any_of(trait("age") < 20, trait("age") > 20),
        any_of(did("visit"), trait("age").is_unknown()), none_of(trait("age").is_unknown()), any_of(did("visit"), none_of(trait("age").is_unknown())),
        trait("orders_90d") >= 0.5, trait("email_reachable") != True, trait("gender") != "male", birthday_within(days(364)), near(0, 0, 20_014),  # noqa: E712
        inside((0, 0), (0, 10), (10, 10)), did("order", local_hour=(22, 0)), trait("aov_365d") == 0.123456,
    ],
)  # fmt: skip
def test_what_somebody_can_meet_and_somebody_fail_is_not_refused(where: Rule) -> None:
    assert problems([segment("s", where)], KNOWN) == {}


def test_stages_begin_and_end_where_the_company_says() -> None:
    known = Vocabulary(rules=TraitRules(active_days=10, at_risk_days=60))
    assert said(lapsed(at_most=days(62)), known) == ""
    assert said(lapsed(at_most=days(61)), known).endswith("nobody meets: churned is 61 or more days_since_last_order")
    assert said(all_of(STAGE == "at_risk", LAST > 60), known).endswith(": at_risk is 11 to 60 days_since_last_order")


def test_what_a_segment_says_counts_where_it_is_referred_to() -> None:
    churned, buyers = segment("churned", STAGE == "churned"), segment("buyers", did("order", within=days(90)))
    wrong = segment("wrong", all_of(member_of("churned"), did("order", within=days(90))))
    both = segment("both", all_of(member_of("churned"), member_of("buyers")))
    aged = segment("aged", none_of(trait("age").is_unknown()))
    right = segment(
        "right", all_of(member_of("buyers"), none_of(member_of("churned")), any_of(member_of("aged"), did("visit")))
    )
    found = problems([churned, buyers, wrong, both, aged, right, segment("leans", member_of("wrong"))])
    assert {name: text.partition(f": segment {name} ")[2] for name, (text,) in found.items()} == {
        "wrong": "asks for member of churned and did order in 90 days together, which nobody meets",
        "both": "asks for member of churned and member of buyers together, which nobody meets",
        "leans": "refers to segment wrong, which is wrong itself",
    }


def test_what_takes_too_long_to_tell_is_taken_as_possible() -> None:
    """Each refers to the one before it twice: as many ways as there are people."""
    chain = [segment("s0", did("visit"))]
    for number in range(1, 40):
        before = member_of(f"s{number - 1}")
        chain.append(segment(f"s{number}", any_of(all_of(before, trait("age") > number), all_of(before, did("order")))))
    assert problems(chain) == {}
    many = (any_of(did("visit", campaign=f"a{n}"), did("order", campaign=f"b{n}")) for n in range(500))
    assert problems([segment("s", all_of(*many))]) == {}


def test_what_is_said_to_be_met_by_nobody_is_met_by_nobody() -> None:
    """Random comparisons of two traits, combined, over every person there can be."""
    random = Random(20171231)
    people: list[dict[str, Any]] = [
        {"age": age, "city": city} for age, city in product([None, *range(8)], [None, "Bonn", "Cork", "Lund"])
    ]
    possible, told = Possible({"age": "INTEGER", "city": "VARCHAR"}, TraitRules()), 0

    def rule(depth: int) -> Rule:
        if depth and random.random() < 0.7:
            return random.choice([all_of, any_of, none_of])(*(rule(depth - 1) for _ in range(random.randint(1, 3))))
        number, word = random.randrange(1, 7), random.choice(["Bonn", "Cork"])
        age, city = trait("age"), trait("city")
        return random.choice(
            [age > number, age <= number, age == number, age != number, age.is_unknown(), city == word, city != word, age.between(number, number + 1)]
        )  # fmt: skip

    for _ in range(2_000):
        one = rule(3)
        met = [_holds(one, person) for person in people]
        assert possible.by_somebody(one) == any(met)
        assert possible.not_by_everybody(one) == (not all(met))
        told += len(set(met)) == 1
    assert told > 100


def _holds(rule: Rule, person: dict[str, Any]) -> bool:
    row = {"profile_id": "one", **person}
    return members([segment("s", rule)], World(date(2017, 12, 31), [row])) == {"s": {"one"}}


CITIES = [f"city {number}" for number in range(10_000)]


@pytest.mark.parametrize(
    "where",
    [
        trait("city").isin(*CITIES),
        none_of(trait("city").isin(*CITIES)),
        any_of(*(trait("city") == city for city in CITIES)),
        none_of(*(trait("city") == city for city in CITIES)),
        all_of(*(trait("city") != city for city in CITIES)),
        all_of(trait("city").isin(*CITIES), trait("city").isin(*CITIES[1:])),
    ],
)  # fmt: skip
def test_a_list_of_thousands_is_judged_in_seconds(where: Rule) -> None:
    """Each name against each other, it took a minute and more."""
    began = time.perf_counter()
    assert problems([segment("s", where)]) == {}
    assert time.perf_counter() - began < 20


def test_of_thousands_that_nobody_meets_together_two_are_named() -> None:
    assert said(all_of(*(trait("city") == city for city in CITIES))).startswith(
        "asks for city == city 0 and city == city 1 together, which nobody meets"
    )
