"""A definition of ours that changes makes another definition of what reads it, and nobody who enters or leaves by it fires anything."""

import hashlib
import json
from datetime import date
from typing import Any

import pytest

from segment_pipeline.algebra.canonical import canonical
from segment_pipeline.lake import core_traits
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.migrations import rename
from segment_pipeline.profiles.facts import activities as facts
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.profiles.traits.sets import core_digest
from segment_pipeline.segments import definition, vocabulary
from segment_pipeline.segments.definition import definition_hash, former_hash
from segment_pipeline.segments.evaluated import definition_of
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import (
    Rule,
    Segment,
    all_of,
    any_of,
    birthday_within,
    days,
    did,
    member_of,
    share_of_spend,
    sql,
    trait,
)
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.segments.conftest import segment

D1, D2 = date(2017, 12, 1), date(2017, 12, 2)
SETTINGS = Settings.from_env({})
BUYER = segment("buyer", trait("orders_total") >= 1)


def put_day(lake: Lake, day: date, orders: dict[str, int], **more: Any) -> None:
    with lake.session() as session:
        rows = [{"as_of": day, "profile_id": p, "orders_total": n} | more for p, n in orders.items()]
        session.register("t", arrow_rows("traits", rows))
        session.replace("traits", "SELECT * FROM t", {"as_of": [day]})
        rows = [
            {"as_of": day, "source": "till", "entity": "customer", "record_key": p, "profile_id": p} for p in orders
        ]
        session.register("i", arrow_rows("identities", rows))
        session.replace("identities", "SELECT * FROM i", {"as_of": [day]})


def causes(lake: Lake, day: date) -> set[tuple[str, str]]:
    with lake.session() as session:
        session.scan("membership_changes", partitions={"as_of": [day]})
        return {(r["segment"], r["cause"]) for r in session.rows("SELECT segment, cause FROM membership_changes")}


def raise_meaning(monkeypatch: pytest.MonkeyPatch, name: str, number: int = 99) -> None:
    raised = dict(core_traits.MEANINGS) | {name: number}
    monkeypatch.setattr("segment_pipeline.profiles.traits.sets.MEANINGS", raised)


def test_a_trait_that_means_something_else_fires_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 0})
    other = segment("other", trait("age").is_unknown())
    build_memberships(lake, D1, [BUYER, other], SETTINGS)
    raise_meaning(monkeypatch, "orders_total")
    put_day(lake, D2, {"ann": 0, "bob": 1, "cat": 0})
    report = build_memberships(lake, D2, [BUYER, other], SETTINGS)
    assert causes(lake, D2) == {("buyer", "definition"), ("other", "data")}
    assert (report.changes["buyer"], report.triggering) == ((1, 1), {"buyer": 0, "other": 1})


def test_traits_made_under_another_meaning_are_refused_to_segments_that_read_them(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evaluated again over yesterday's traits, a segment would seem to be of the new definition, and tomorrow's changes would fire."""
    put_day(lake, D1, {"ann": 1})
    raise_meaning(monkeypatch, "orders_total")
    report = build_memberships(lake, D1, [BUYER, segment("visitors", did("visit"))], SETTINGS)
    assert report.sizes == {"visitors": 0}
    assert report.failed["buyer"].endswith(
        "the core traits as of 2017-12-01 were made when some of them meant something else: materialise profiles/traits for that day"
    )
    put_day(lake, D2, {"ann": 1}, definition_hash=None)
    assert "buyer" in build_memberships(lake, D2, [BUYER], SETTINGS).failed


@pytest.mark.parametrize(
    ("name", "reader", "other"),
    [
        ("spend_total", trait("spend_total") > 1, trait("spend_90d") > 1),
        ("trait_shares", share_of_spend(department="Shoes") > 0.5, trait("top_department") == "Shoes"),
        ("birth_day", birthday_within(days(3)), trait("age") > 3),
    ],
)
def test_a_raised_meaning_is_part_of_the_definitions_that_read_it(
    name: str, reader: Rule, other: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = {
        s.name: s for s in (segment("reader", reader), segment("leans", member_of("reader")), segment("other", other))
    }

    def hashes() -> dict[str, str]:
        return {key: definition_hash(one, declared, Vocabulary().meanings) for key, one in declared.items()}

    before, digest = hashes(), core_digest(TraitRules())
    raise_meaning(monkeypatch, name)
    after = hashes()
    assert {key for key in declared if before[key] != after[key]} == {"reader", "leans"}
    assert core_digest(TraitRules()) != digest


def test_an_activity_and_a_kind_of_rule_have_meanings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    carts = segment("carts", did("cart_abandoned", not_followed_by="order"))
    visits, birthdays = segment("visits", did("visit")), segment("birthdays", birthday_within(days(3)))

    def hashes() -> dict[str, str]:
        return {s.name: definition_hash(s, {}, Vocabulary().meanings) for s in (carts, visits, birthdays)}

    first = hashes()
    monkeypatch.setattr(vocabulary, "ACTIVITY_MEANINGS", dict(facts.ACTIVITY_MEANINGS) | {"order": 99})
    second = hashes()
    monkeypatch.setattr(definition, "RULE_MEANINGS", dict(definition.RULE_MEANINGS) | {"BirthdayRule": 99})
    third = hashes()
    assert [key for key in first if first[key] != second[key]] == ["carts"]
    assert [key for key in first if second[key] != third[key]] == ["birthdays"]


def test_a_predicate_in_sql_means_something_else_than_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN was above every number, and each engine rounded by itself: who is no member any more did nothing."""
    one = segment("one", sql("age > 3"))
    now = definition_hash(one, {})
    monkeypatch.setattr(definition, "RULE_MEANINGS", {})
    assert definition_hash(one, {}) != now


def test_a_companys_own_threshold_is_part_of_the_traits_it_decides() -> None:
    stage, age = segment("stage", trait("lifecycle_stage") == "active"), segment("age", trait("age") > 3)
    usual, own = Vocabulary().meanings, Vocabulary(rules=TraitRules(active_days=60)).meanings
    assert definition_hash(stage, {}, usual) != definition_hash(stage, {}, own)
    assert definition_hash(age, {}, usual) == definition_hash(age, {}, own)
    assert core_digest(TraitRules()) != core_digest(TraitRules(active_days=60))


def test_renaming_a_segment_changes_nothing_of_those_that_refer_to_it(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 0})
    put_day(lake, D2, {"ann": 0, "bob": 1})

    def declared(name: str) -> list[Segment]:
        return [
            segment(name, BUYER.where),
            segment("leans", member_of(name)),
            segment("far", any_of(member_of("leans"))),
        ]

    build_memberships(lake, D1, declared("buyer"), SETTINGS)
    rename(lake, "segment", "buyer", "customer")
    build_memberships(lake, D2, declared("customer"), SETTINGS)
    assert causes(lake, D2) == {("customer", "data"), ("leans", "data"), ("far", "data")}


def test_days_whose_references_were_hashed_by_name_are_of_the_same_definition(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 0})
    put_day(lake, D2, {"ann": 0, "bob": 1})
    both = [BUYER, segment("leans", member_of("buyer"))]
    build_memberships(lake, D1, both, SETTINGS)
    with lake.session() as session:
        named = former_hash(both[1], {s.name: s for s in both}, Vocabulary().meanings)
        for name in ("segment_sizes", "memberships"):
            session.scan(name)
            held = f"SELECT * REPLACE (CASE segment WHEN 'leans' THEN $named ELSE definition_hash END AS definition_hash) FROM {name}"
            session.register("held", session.table(held, named=named))
            session.replace(name, "SELECT * FROM held", {"as_of": [D1]})
    build_memberships(lake, D2, both, SETTINGS)
    assert causes(lake, D2) == {("buyer", "data"), ("leans", "data")}


def test_a_rule_that_refers_to_nothing_has_the_digest_it_always_had() -> None:
    where = all_of(trait("age") >= 18, did("visit", within=days(7)))
    content = {"compiler": 1, "where": canonical(where), "references": {}}
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    assert definition_hash(segment("one", where), {}) == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_the_definition_of_a_days_memberships_can_be_read(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1})
    build_memberships(lake, D1, [BUYER], SETTINGS)
    with lake.session() as session:
        assert definition_of(session, "buyer", D1) == definition_hash(BUYER, {}, Vocabulary().meanings)
        assert definition_of(session, "buyer", D2) is None
        assert definition_of(session, "other", D1) is None
