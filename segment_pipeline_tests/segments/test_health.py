"""Findings about segments that work but deserve a look."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.health import findings
from segment_pipeline.segments.rules import activities, all_of, any_of, days, did, sequence, share_of_spend, trait
from segment_pipeline_tests.conftest import Rows
from segment_pipeline_tests.segments.conftest import segment

Put = Callable[[str, Rows], None]
D = date(2017, 12, 31)
ANYONE = trait("orders_total") >= 0


def sizes(*numbers: int, name: str = "s", last_hash: str = "h") -> list[dict[str, Any]]:
    """Sizes of the days up to D, oldest first."""
    first = D - timedelta(days=len(numbers) - 1)
    return [
        {
            "as_of": first + timedelta(days=n), "segment": name, "size": size, "population": 1000, "inputs": "{}",
            "definition_hash": last_hash if n == len(numbers) - 1 else "h",
        }
        for n, size in enumerate(numbers)
    ]  # fmt: skip


def kinds(lake: Lake, *segments: Any) -> list[tuple[str, str]]:
    return [(finding.segment, finding.kind) for finding in findings(lake, segments)]


def test_a_segment_below_its_minimum_is_small_and_one_at_it_is_not(lake: Lake, put: Put) -> None:
    put("segment_sizes", [*sizes(9, name="nine"), *sizes(10, name="ten")])
    assert kinds(lake, segment("nine", ANYONE, minimum_size=10), segment("ten", ANYONE, minimum_size=10)) == [
        ("nine", "small")
    ]


def test_less_than_half_of_the_usual_size_is_a_dip(lake: Lake, put: Put) -> None:
    put("segment_sizes", [*sizes(100, 110, 90, 100, 49, name="dips"), *sizes(100, 110, 90, 100, 50, name="holds")])
    assert kinds(lake, segment("dips", ANYONE), segment("holds", ANYONE)) == [("dips", "dip")]


def test_a_few_people_or_a_short_history_are_no_dip(lake: Lake, put: Put) -> None:
    put("segment_sizes", [*sizes(20, 20, 20, 1, name="few"), *sizes(100, 100, 1, name="young")])
    assert kinds(lake, segment("few", ANYONE, minimum_size=0), segment("young", ANYONE, minimum_size=0)) == []


def test_a_new_rule_is_not_measured_by_the_sizes_of_the_old_one(lake: Lake, put: Put) -> None:
    put("segment_sizes", sizes(100, 100, 100, 100, 30, last_hash="new"))
    assert kinds(lake, segment("s", ANYONE)) == []


def test_two_segments_of_nearly_the_same_people_overlap(lake: Lake, put: Put) -> None:
    people = [f"p{number}" for number in range(10)]
    put("segment_sizes", [*sizes(10, name="a"), *sizes(9, name="b"), *sizes(9, name="c")])
    rows = (
        [("a", one) for one in people]
        + [("b", one) for one in people[1:]]
        + [("c", one) for one in [*people[2:], "stranger"]]
    )
    put("memberships", [{"as_of": D, "segment": s, "definition_hash": "h", "profile_id": one} for s, one in rows])
    found = findings(lake, [segment(name, ANYONE, minimum_size=0) for name in "abc"])
    assert [(f.segment, f.message) for f in found] == [
        ("a", "shares 90% of its people with b: one of the two may be enough")
    ]


def test_a_review_date_that_has_come_is_told(lake: Lake, put: Put) -> None:
    put("segment_sizes", [*sizes(50, name="due"), *sizes(50, name="later")])
    later = segment("later", ANYONE, review_on=D + timedelta(days=1))
    assert kinds(lake, segment("due", ANYONE, review_on=D), later) == [("due", "review")]


def test_a_persona_of_more_than_three_criteria_is_flagged_however_deep_they_are(lake: Lake) -> None:
    one = trait("age") >= 30
    four = segment("four", all_of(one, one, one, one), persona=True)
    three = segment("three", all_of(one, one, any_of(one, one)), persona=True)
    plain = segment("plain", all_of(one, one, one, one))
    assert kinds(lake, four, three, plain) == [("four", "persona")]


@pytest.mark.also_on_spark("segments/product_words")
def test_a_word_no_product_has_is_told_with_the_one_that_was_meant(lake: Lake, put: Put) -> None:
    at = datetime(2017, 12, 1, tzinfo=UTC)
    put("products", [{
        "source": "till", "product_key": "1", "day": date(2017, 12, 1), "updated_at": at, "skus": ["RUN-43", "RUN-44"], "title": "Runner",
        "brand": "Acme", "department": "Shoes", "category": "Boots", "collection": "Spring",
    }])  # fmt: skip
    heard = segment("heard", any_of(
        did("product_bought", category="Boots", collection=("latest", "Spring")), did("product_viewed", product=("RUN-43", "till:1")),
        share_of_spend(department="Shoes") > 0.1, did("visit", category="Anything a page says"), did("order", campaign="June"),
    ))  # fmt: skip
    other = segment("other", any_of(
        did("product_bought", category="boot"), share_of_spend(department="Shoe") > 0.1, did("product_viewed", product="RUN-45", brand="Zz"),
        trait("top_department") == "Food", sequence(activities("visit"), activities("cart_added", department="Sheos"), within=days(3)),
    ))  # fmt: skip
    found = [(finding.segment, finding.kind, finding.message) for finding in findings(lake, [heard, other])]
    assert found == [
        ("other", "unheard", f"asks for the {text}")
        for text in (
            "category boot, which no product has: did you mean Boots?",
            "department Shoe, which no product has: did you mean Shoes?",
            "brand Zz, which no product has",
            "product RUN-45, which no product has",
            "department Food, which no product has",
            "department Sheos, which no product has: did you mean Shoes?",
        )
    ]
