"""Preview and explain, over a lake: sizes of terms and steps, and one person's terms with what they rest on."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.compiler.compilation import Compilation
from segment_pipeline.segments.inspect import explain, preview, statements
from segment_pipeline.segments.memberships import build_memberships_of
from segment_pipeline.segments.rules import (
    activities,
    all_of,
    any_of,
    count,
    days,
    did,
    did_not,
    ended,
    member_of,
    none_of,
    share_of_spend,
    top,
    trait,
)
from segment_pipeline.segments.sizes import sizes_of
from segment_pipeline.segments.wording import words
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import Rows
from segment_pipeline_tests.segments.conftest import segment

Put = Callable[[str, Rows], None]
D = date(2017, 12, 31)
SETTINGS = Settings.from_env({})


@pytest.fixture
def shop(lake: Lake, put: Put) -> Lake:
    """Three people: ann visited twice, bob once and long ago, cat never; ann spends on shoes."""
    people: list[dict[str, Any]] = [
        {"profile_id": "ann", "orders_total": 3, "gender": "female"},
        {"profile_id": "bob", "orders_total": 1},
        {"profile_id": "cat", "orders_total": 0, "gender": "female"},
    ]
    put("traits", [{"as_of": D} | person for person in people])
    put("trait_shares", [{
        "as_of": D, "profile_id": "ann", "dimension": "department", "value": "Shoes",
        "spend_365d": Decimal(1), "spend_total": Decimal(1), "share_365d": 0.25, "share_total": 0.5, "known_365d": Decimal(4), "known_total": Decimal(2),
    }])  # fmt: skip
    put("identities", [
        {"as_of": D, "source": "till", "entity": "customer", "record_key": p["profile_id"], "profile_id": p["profile_id"]} for p in people
    ])  # fmt: skip
    visits = [("ann", 31, None), ("ann", 30, "Boots"), ("bob", 1, None)]
    put("events", [
        {"source": "till", "event_key": str(n), "name": "visit", "customer_key": who, "category": category, "day": D,
         "occurred_at": datetime(2017, 12, day, 12, tzinfo=UTC), "occurred_on": date(2017, 12, day),
         "received_at": datetime(2017, 12, day, 12, tzinfo=UTC)}
        for n, (who, day, category) in enumerate(visits)
    ])  # fmt: skip
    return lake


def test_preview_gives_each_term_and_what_is_left_after_it(shop: Lake) -> None:
    one = segment(
        "one",
        all_of(trait("gender") == "female", did("visit", within=days(7)), share_of_spend(department="Shoes") >= 0.2),
    )
    found = preview(shop, D, one, [], SETTINGS)
    assert (found.population, found.size) == (3, 1)
    assert [(step.term, step.size, step.remaining) for step in found.steps] == [
        ("gender == female", 2, 2),
        ("did visit in 7 days", 1, 1),
        ("share of spend on department Shoes >= 0.2", 1, 1),
    ]


@pytest.mark.also_on_spark("segments/funnels")
def test_a_run_counts_who_is_left_after_each_term_on_the_newest_of_its_days_alone(shop: Lake, put: Put) -> None:
    eve = D - timedelta(days=1)
    put("traits", [{"as_of": eve, "profile_id": "ann", "orders_total": 3, "gender": "female"}])
    put("identities", [
        {"as_of": eve, "source": "till", "entity": "customer", "record_key": "ann", "profile_id": "ann"}
    ])  # fmt: skip
    women = segment("women", all_of(trait("gender") == "female", did("visit", within=days(7))))
    visited = segment("visited", any_of(did("visit"), member_of("women")))
    before, newest = build_memberships_of(shop, [eve, D], [women, visited], SETTINGS, with_funnels=True)
    assert before.funnels == {}
    assert newest.funnels == {
        "women": (("gender == female", 2), ("did visit in 7 days", 1)),
        "visited": (("any of (did visit; member of women)", 2),),
    }
    # As JSON and Dagster know numbers.
    assert all(type(left) is int for funnel in newest.funnels.values() for _, left in funnel)
    assert sizes_of(shop, ["women", "other"], D) == {"women": [(eve, 1), (D, 1)], "other": []}
    assert sizes_of(shop, ["women"], D, days=1) == {"women": [(D, 1)]}


def test_preview_of_a_segment_of_one_rule_has_one_step(shop: Lake) -> None:
    found = preview(shop, D, segment("one", did_not("visit", within=days(7))), [], SETTINGS)
    assert [(step.term, step.size, step.remaining) for step in found.steps] == [("did not visit in 7 days", 2, 2)]
    assert found.size == 2


def test_explain_says_of_each_term_whether_it_holds_and_on_what_it_rests(shop: Lake) -> None:
    buyer = segment("buyer", trait("orders_total") >= 1)
    one = segment(
        "one",
        all_of(
            any_of(did("visit", at_least=3), did("visit", category="Boots")),
            member_of(buyer),
            share_of_spend(department="Shoes", lifetime=True) >= 0.6,
            none_of(trait("age").is_unknown()),
        ),
    )
    found = explain(shop, D, one, [buyer], SETTINGS, "ann")
    assert not found.member
    assert [(term.depth, term.term, term.holds, term.value) for term in found.terms] == [
        (0, "all of", False, None),
        (1, "any of", True, None),
        (2, "did visit at least 3 times", False, "2"),
        (2, "did visit, category Boots", True, "1"),
        (1, "member of buyer", True, None),
        (2, "orders_total >= 1", True, "3"),
        (1, "share of lifetime spend on department Shoes >= 0.6", False, "0.5000"),
        (1, "none of", False, None),
        (2, "age is unknown", True, None),
    ]
    assert explain(shop, D, buyer, [one], SETTINGS, "ann").member


def test_explain_of_an_id_without_traits_says_how_to_find_one(shop: Lake) -> None:
    with pytest.raises(
        ConfigError, match="there is no profile zoe as of 2017-12-31: `segment-pipeline profile show` finds ids"
    ):
        explain(shop, D, segment("one", did("visit")), [], SETTINGS, "zoe")


def test_a_wrong_segment_is_told_before_anything_runs(shop: Lake) -> None:
    with pytest.raises(
        ConfigError, match="segment one names event visits, which no source delivers: did you mean visit?"
    ):
        preview(shop, D, segment("one", did("visits")), [], SETTINGS)


def test_what_an_engine_cannot_finish_names_the_segment_its_place_and_a_way_on(
    shop: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_self: Compilation, _session: Any) -> None:
        raise ContractError("segments/people as segment_people failed on DuckDB: it ran out of memory")

    monkeypatch.setattr(Compilation, "define", fails)
    with pytest.raises(ContractError) as raised:
        preview(shop, D, segment("heavy", did("order")), [], SETTINGS)
    said = str(raised.value)
    assert said.startswith(f"{Path(__file__).parent}")
    assert "segment heavy: segments/people as segment_people failed on DuckDB" in said
    assert "`segment-pipeline segments explain-sql heavy` shows what is asked" in said


def test_a_nested_term_is_said_in_words() -> None:
    rule = any_of(trait("visits_30d") == 0, none_of(did("visit", category="Boots"), trait("last_seen_on").is_unknown()))
    assert words(rule) == "any of (visits_30d == 0; none of (did visit, category Boots; last_seen_on is unknown))"
    assert words(share_of_spend(department="Shoes") >= 0.40) == "share of spend on department Shoes >= 0.4"


def test_preview_tells_a_word_no_product_has_and_nothing_where_no_products_are_held(shop: Lake, put: Put) -> None:
    one = segment("one", trait("top_department") == "Shoe")
    assert preview(shop, D, one, [], SETTINGS).unheard == ()
    at = datetime(2017, 12, 1, tzinfo=UTC)
    put("products", [{"source": "till", "product_key": "1", "day": at.date(), "updated_at": at, "department": "Shoes"}])
    said = "asks for the department Shoe, which no product has: did you mean Shoes?"
    assert preview(shop, D, one, [], SETTINGS).unheard == (said,)


def test_preview_tells_of_reach_other_segments_the_days_before_and_values(shop: Lake, put: Put) -> None:
    put(
        "memberships",
        [
            {"as_of": D, "segment": other, "definition_hash": "h", "profile_id": who}
            for other, who in (("two", "ann"), ("two", "cat"), ("ten", "bob"))
        ],
    )
    sizes = [(D, 2), (date(2017, 12, 29), 1), (date(2017, 12, 30), 3)]
    put(
        "segment_sizes",
        [
            {"as_of": day, "segment": "one", "definition_hash": "h", "size": n, "population": 3, "inputs": "{}"}
            for day, n in sizes
        ],
    )
    one = segment("one", trait("gender") == "female")
    found = preview(shop, D, one, [], SETTINGS, by=["orders_total", "city"])
    assert found.reach == {"email_reachable": 0, "sms_reachable": 0, "ads_reachable": 0}
    assert found.overlaps == (("two", 2),)
    assert found.trend == ((date(2017, 12, 29), 1), (date(2017, 12, 30), 3))
    assert found.breakdown == (("orders_total", "0", 1), ("orders_total", "3", 1), ("city", "unknown", 2))
    with pytest.raises(ConfigError, match="there is no trait citty: did you mean city"):
        preview(shop, D, one, [], SETTINGS, by=["citty"])


def test_the_statements_of_a_segment_are_shown_and_find_its_members(shop: Lake) -> None:
    one = segment("one", all_of(did("visit", within=days(7)), count(activities("visit")) > trait("orders_total") - 2))
    said = statements(shop, D, one, [], SETTINGS)
    assert [name for name, _ in said][-2:] == ["segment_people", "members"]
    assert all(sql.lstrip("(").startswith(("SELECT", "WITH", "--", "/*")) for _, sql in said)


def test_the_values_of_a_rule_stand_among_its_statements(shop: Lake) -> None:
    """A rule's words and days go to the engine as tables: they are shown like all else, so that what is shown is the rule."""
    one = segment("one", did("product_viewed", category="Quiet's Shoes", within=ended(days(7), ago=days(14))))
    said = dict(statements(shop, D, one, [], SETTINGS))
    assert "'Quiet''s Shoes'" in said["segment_values_category"]
    assert f"DATE '{D - timedelta(days=14)}'" in "".join(said.values())
    read = {table.name for sql in said.values() for table in sqlglot.parse_one(sql, read="duckdb").find_all(exp.Table)}
    assert {name for name in read if name.startswith("segment_")} <= said.keys()


def test_explain_says_both_sides_of_a_comparison(shop: Lake) -> None:
    one = segment("one", count(activities("visit")) > trait("orders_total") - 2)
    [term] = explain(shop, D, one, [], SETTINGS, "ann").terms
    assert (term.holds, term.term, term.value) == (True, "number of visit > orders_total - 2", "2 and 1")


def test_explain_ranks_a_person_among_all_people(shop: Lake) -> None:
    one = segment("one", all_of(top("orders_total", n=1), did("visit")))
    found = {who: explain(shop, D, one, [], SETTINGS, who) for who in ("ann", "bob", "cat")}
    assert {who: [term.holds for term in one.terms[1:]] for who, one in found.items()} == {
        "ann": [True, True],
        "bob": [False, True],
        "cat": [False, False],
    }
    assert [one.terms[2].value for one in found.values()] == ["2", "1", "0"]
