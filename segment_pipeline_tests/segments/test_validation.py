"""What `validate` refuses, with file and line; what a definition's digest covers."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.segments.definition import definition_hash
from segment_pipeline.segments.rules import (
    Rule,
    Segment,
    activities,
    all_of,
    any_of,
    birthday_within,
    days,
    did,
    did_not,
    inside,
    member_of,
    near,
    near_store,
    none_of,
    sequence,
    share_of_spend,
    sum_of,
    top_n,
    trait,
)
from segment_pipeline.segments.validation import validate
from segment_pipeline_tests.segments.conftest import segment


def problems(*segments: Segment) -> list[str]:
    return [text.split(": segment ", 1)[1] for text in validate(segments)]


def problem(where: Rule) -> str:
    found = problems(segment("s", where))
    assert len(found) == 1, found
    return found[0].removeprefix("s ")


def test_each_problem_begins_with_the_file_and_line_of_the_literal() -> None:
    line = test_each_problem_begins_with_the_file_and_line_of_the_literal.__code__.co_firstlineno + 2
    wrong = Segment(
        "s", owner="team:crm", goal="orders", description="in a test",
        where=trait("nothing_like_it") == 1,
    )  # fmt: skip
    assert validate([wrong]) == [f"{__file__}:{line}: segment s names trait nothing_like_it, which does not exist"]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (trait("lifecycle_stag") == "new", "names trait lifecycle_stag, which does not exist: did you mean lifecycle_stage?"),
        (top_n("zzz", 3), "names trait zzz, which does not exist"),
        (did("visits"), "names event visits, which no source delivers: did you mean visit?"),
        (did("product_viewed", not_followed_by="product_bougth"), "names event product_bougth, which no source delivers: did you mean product_bought?"),
        (member_of("elsewhere"), "refers to segment elsewhere, which is not declared"),
        (trait("orders_total") == "3", "compares trait orders_total, which is BIGINT, with a str: write a whole number"),
        (trait("orders_total") == True, "compares trait orders_total, which is BIGINT, with a bool: write a whole number"),  # noqa: E712
        (trait("lifecycle_stage") >= "new", "orders trait lifecycle_stage, which is VARCHAR: only numbers and days have an order"),
        (trait("last_order_on") >= 5, "compares trait last_order_on, which is DATE, with an int: write a day, date(2027, 1, 31)"),
        (trait("interests") == "running", "compares trait interests, which is a list: use contains()"),
        (trait("city").contains("Cin"), "asks what trait city contains, but it is VARCHAR and not a list"),
        (trait("city").isin(), "asks whether trait city is in an empty list"),
        (trait("age").between(30, 20), "has a range of trait age that ends before it begins: write the lower end first"),
        (trait("markdown_share") > 50, "compares trait markdown_share with 50: it lies between 0 and 1"),
        (top_n("city", 3), "ranks by trait city, which is VARCHAR and has no highest value"),
        (top_n("age", 0), "asks for the top of fewer than one"),
        (did("visit", within=days(0)), "has a window of 0 days on visit: at least 1, the as-of day itself"),
        (did("visit", at_least=3, at_most=2), "counts visit between numbers that no count can lie between: at_least is 0 or more, at_most no less"),
        (did("visit", at_least=0), "counts visit with at_least=0, which is true for everyone: write at_least=1, or at_most beside it"),
        (
            did("product_viewed", same_product=True, at_most=3),
            "counts product_viewed by product: same_product takes at_least of 1 or more and no at_most",
        ),
        (did("order", local_hour=(4, 4)), "has local hours on order outside 0 to 24, or none at all"),
        (did("visit", category="latest"), 'filters category by "latest", which only collection knows'),
        (share_of_spend(department="Shoes") >= 30, "compares a share of spend with 30: a share lies between 0 and 1"),
        (sum_of("amount", activities("order")) > Decimal("1e30"), "compares a sum with 1000000000000000000000000000000: sums have up to 8 digits after the point, and 29 before it"),
        (sum_of("amount", activities("order")) > Decimal("1e-9"), "compares a sum with 0.000000001: sums have up to 8 digits after the point, and 29 before it"),
        (near(91, 0, 5), "has a point outside latitude -90 to 90, longitude -180 to 180"),
        (near(1, 0, 0), "has a radius that is not a positive number of kilometres"),
        (near_store(0), "has a radius that is not a positive number of kilometres"),
        (inside((0, 0), (1, 1)), "has a polygon of fewer than three corners"),
        (birthday_within(days(400)), 'has a birthday window outside 1 to 364 days, today included: of a whole year, write none_of(trait("birth_day").is_unknown())'),
        (birthday_within(days(0)), 'has a birthday window outside 1 to 364 days, today included: of a whole year, write none_of(trait("birth_day").is_unknown())'),
        (sequence(activities("visit"), within=days(1)), "has a sequence of fewer than two steps"),
        (all_of(), "holds an empty all_of: give it rules"),
        (none_of(any_of()), "holds an empty any_of: give it rules"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_meant_is_refused(where: Rule, text: str) -> None:
    assert problem(where) == text


def test_segments_that_refer_to_each_other_in_a_circle_are_refused() -> None:
    a, b = segment("a", member_of("b")), segment("b", all_of(did("visit"), none_of(member_of("a"))))
    text = "refers to itself, directly or through other segments: take one reference out"
    assert problems(a, b) == [f"a {text}", f"b {text}"]


def test_names_owners_goals_and_doubles_are_judged() -> None:
    bad = Segment("Bad Name", owner="crm", goal=" ", description="", where=did("visit"), minimum_size=-1)
    assert [text.removeprefix("Bad Name ") for text in problems(bad)] == [
        "has no owner of the form team:name or an e-mail address",
        "has no goal: name the measure it is judged by",
        "has no description",
        "has a negative minimum_size",
        "has a name that is not lower case letters, digits and underscores",
    ]
    assert problems(segment("s", did("visit")), segment("s", did("order"))) == [
        "s is declared a second time: rename one"
    ]


@pytest.mark.parametrize(
    "use",
    [
        lambda: did("visit") and did("order"),
        lambda: not did("visit"),
        lambda: 1 < trait("age") < 3,
        lambda: trait("email_reachable") or did("order"),
        lambda: sum_of("amount", activities("order")) and did("order"),
    ],
)  # fmt: skip
def test_python_that_would_leave_a_part_out_is_refused_where_it_stands(use: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=f"^{__file__}:{use.__code__.co_firstlineno}: a rule has no truth of its own"):
        use()


def digest(where: Rule, *others: Segment) -> str:
    one = segment("one", where)
    return definition_hash(one, {s.name: s for s in (one, *others)})


def test_a_digest_ignores_order_and_numbers_written_otherwise() -> None:
    a, b = did("visit", category=("x", "y")), trait("age").isin(1, 2)
    assert digest(all_of(a, b)) == digest(all_of(trait("age").isin(2, 1), did("visit", category=("y", "x"))))
    assert (
        digest(trait("spend_total") >= 1)
        == digest(trait("spend_total") >= 1.0)
        == digest(trait("spend_total") >= Decimal("1.00"))
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (trait("age") >= 1, trait("age") > 1),
        (trait("age") >= 1, trait("age") >= 2),
        (did("visit", at_least=0, at_most=0), did("visit", at_least=0, at_most=1)),
        (did("visit"), did_not("visit")),
        (did("visit", within=days(7)), did("visit", within=days(8))),
        (did("visit", at_least=2), did("visit", at_least=2, same_product=True)),
        (all_of(did("visit")), any_of(did("visit"))),
        (share_of_spend(department="A") >= 0.1, share_of_spend(department="A", lifetime=True) >= 0.1),
        (trait("email_reachable").is_true(), trait("email_reachable").is_false()),
        (trait("age") == 1, trait("age").is_unknown()),
        (inside((0, 0), (1, 1), (0, 1)), inside((0, 0), (0, 1), (2, 2))),
        (sequence(activities("visit"), activities("order"), within=days(1)), sequence(activities("order"), activities("visit"), within=days(1))),
        (trait("last_order_on") == date(2017, 1, 1), trait("last_order_on") == date(2017, 1, 2)),
    ],
)  # fmt: skip
def test_a_digest_differs_where_the_rule_does(one: Rule, other: Rule) -> None:
    assert digest(one) != digest(other)


def test_a_digest_changes_with_the_segment_referred_to_however_far() -> None:
    def chain(age: int) -> str:
        return digest(member_of("far"), segment("far", member_of("farther")), segment("farther", trait("age") >= age))

    assert chain(1) != chain(2)
    assert chain(1) == chain(1)
