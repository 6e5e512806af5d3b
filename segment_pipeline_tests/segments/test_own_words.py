"""Rules over what a company declares itself: its own traits, its own events and their properties."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.audiences.audience import Attribute, Audience
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.errors import ConfigError
from segment_pipeline.events import Event
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.traits.sets import declare, forget
from segment_pipeline.profiles.view import profile_view
from segment_pipeline.publishing.shape import tables_of
from segment_pipeline.segments import evaluate
from segment_pipeline.segments.definition import definition_hash
from segment_pipeline.segments.inspect import explain, preview
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import (
    Rule,
    Segment,
    activities,
    all_of,
    at_least,
    at_most,
    count,
    days,
    did,
    did_not,
    member_of,
    sequence,
    share,
    sum_of,
    top_n,
    total_of,
    trait,
)
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.conftest import Rows, arrow_rows
from segment_pipeline_tests.publishing.company import MONDAY, Company
from segment_pipeline_tests.segments.conftest import segment

Put = Callable[[str, Rows], None]
D = date(2017, 12, 31)
SETTINGS = Settings.from_env({})
STORES = TraitSet(
    "crm",
    (
        Trait.sql("store", "VARCHAR", "favourite store", query="city", null="none", owner="team:crm"),
        Trait.sql("ltv", "DOUBLE", "expected spend", query="1.5", null="", owner="team:crm"),
    ),
)
PLANS = (
    Event("plan_chosen", {"plan": "VARCHAR", "seats": "BIGINT", "price": "DOUBLE", "trial": "BOOLEAN", "from_day": "DATE"}),
    Event("Fuelled up", {"plan": "VARCHAR"}),
    Event("visit", {"referrer": "VARCHAR"}, "ours, with a property of theirs"),
)  # fmt: skip
KNOWN = Vocabulary.of([STORES], PLANS)
# Properties were arguments of their own once.
as_before: Any = did


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    declare(STORES)
    yield
    forget()


def own_rows(*people: tuple[str, str | None, float], digest: str = STORES.digest) -> list[dict[str, Any]]:
    return [
        {"as_of": D, "profile_id": who, "store": store, "ltv": ltv, "definition_hash": digest}
        for who, store, ltv in people
    ]


def replace(lake: Lake, name: str, rows: Sequence[dict[str, Any]], day: date = D) -> None:
    with lake.session() as session:
        session.register("literal_rows", arrow_rows(name, rows))
        session.replace(name, "SELECT * FROM literal_rows", {"as_of": [day]})


EVENTS = [
    ("ann", "plan_chosen", '{"plan": "gold", "seats": 7, "price": 9.5, "trial": true, "from_day": "2018-01-01"}'),
    ("bob", "plan_chosen", '{"plan": "silver", "seats": 7.0, "price": 9, "trial": false, "from_day": "soon"}'),
    ("cat", "plan_chosen", '{"plan": 5, "seats": "many", "trial": "perhaps"}'),
    ("cat", "Fuelled up", '{"plan": "gold"}'),
    ("bob", "visit", '{"referrer": "a friend"}'),
    ("ann", "visit", None),
]


@pytest.fixture
def shop(lake: Lake, put: Put) -> Lake:
    """Three people with what they did; their own traits are of the day."""
    people = ("ann", "bob", "cat")
    put("traits", [{"as_of": D, "profile_id": p, "orders_total": n} for n, p in enumerate(people)])
    put("identities", [{"as_of": D, "source": "till", "entity": "customer", "record_key": p, "profile_id": p} for p in people])  # fmt: skip
    at = [datetime(2017, 12, 30, 12, n, tzinfo=UTC) for n in range(len(EVENTS))]
    put("events", [
        {"source": "till", "event_key": str(n), "name": name, "customer_key": who, "properties": properties, "day": D,
         "occurred_at": at[n], "occurred_on": date(2017, 12, 30), "received_at": at[n]}
        for n, (who, name, properties) in enumerate(EVENTS)
    ])  # fmt: skip
    put("traits_crm", own_rows(("ann", "S1", 10.0), ("bob", None, 20.0), ("cat", "S2", 5.0)))
    return lake


def who(lake: Lake, rule: Rule) -> set[str]:
    report = build_memberships(lake, D, [segment("one", rule)], SETTINGS, vocabulary=KNOWN)
    assert not report.failed, report.failed
    with lake.session() as session:
        session.scan("memberships")
        return {row["profile_id"] for row in session.rows("SELECT profile_id FROM memberships")}


def test_own_traits_may_be_called_as_what_is_joined_beside_them(shop: Lake, put: Put) -> None:
    """Words of bits are columns word_0 and so on, values of people value_0."""
    odd = TraitSet("odd", tuple(Trait.sql(name, "BIGINT", "x", query="2", null="", owner="team:crm") for name in ("value_0", "word_0")))  # fmt: skip
    declare(odd)
    numbers = {"as_of": D, "value_0": 2, "definition_hash": odd.digest}
    put("traits_odd", [numbers | {"profile_id": one, "word_0": n} for n, one in enumerate(("cat", "bob", "ann"))])
    rule = all_of(
        trait("value_0") > 1, trait("word_0") > 1, trait("value_0") > count(activities("visit")), did("visit")
    )
    report = build_memberships(shop, D, [segment("one", rule)], SETTINGS, vocabulary=Vocabulary.of([odd], PLANS))
    assert (report.failed, report.sizes) == ({}, {"one": 1})


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (did("plan_chosen"), {"ann", "bob", "cat"}),
        (did("plan_chosen", properties={"plan": "gold"}), {"ann"}),
        (did("plan_chosen", properties={"plan": ("gold", "silver")}), {"ann", "bob"}),
        (did("plan_chosen", properties={"plan": "5"}), {"cat"}),
        (did("plan_chosen", properties={"seats": 7}), {"ann", "bob"}),
        (did("plan_chosen", properties={"seats": 7, "plan": "silver"}), {"bob"}),
        (did("plan_chosen", properties={"price": 9.5}), {"ann"}),
        (did("plan_chosen", properties={"price": 9}), {"bob"}),
        (did("plan_chosen", properties={"price": at_least(9.2)}), {"ann"}),
        (did("plan_chosen", properties={"seats": at_most(7), "plan": "silver"}), {"bob"}),
        (did("plan_chosen", properties={"trial": False}), {"bob"}),
        (did("plan_chosen", properties={"from_day": date(2018, 1, 1)}), {"ann"}),
        (did("Fuelled up", properties={"plan": "gold"}, within=days(2)), {"cat"}),
        (did("plan_chosen", properties={"plan": "platinum"}), set()),
        (did_not("plan_chosen", properties={"plan": "gold"}), {"bob", "cat"}),
        (did("visit", properties={"referrer": "a friend"}), {"bob"}),
        (sequence(activities("plan_chosen", properties={"plan": "silver"}), activities("visit"), within=days(1)), {"bob"}),
        (all_of(did("plan_chosen", properties={"plan": "gold", "seats": 7}), did("visit")), {"ann"}),
        (sum_of("seats", activities("plan_chosen")) >= 7, {"ann", "bob"}),
        (sum_of("seats", activities("plan_chosen")) == 0, {"cat"}),
        (sum_of("price", activities("plan_chosen")) > 9, {"ann"}),
        (sum_of("price", activities("plan_chosen")).between(9, 9), {"bob"}),
        (total_of("price", activities("plan_chosen")) >= 0, {"ann", "bob"}),
        (share(activities("plan_chosen", properties={"plan": "gold"}), activities("plan_chosen"), "seats") == 1, {"ann"}),
    ],
)  # fmt: skip
def test_a_rule_asks_for_the_properties_a_company_declares(shop: Lake, rule: Rule, expected: set[str]) -> None:
    assert who(shop, rule) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (trait("store") == "S1", {"ann"}),
        (trait("store").is_unknown(), {"bob"}),
        (all_of(trait("ltv") >= 10, trait("orders_total") >= 1), {"bob"}),
        (top_n("ltv", 2), {"ann", "bob"}),
    ],
)  # fmt: skip
def test_a_rule_compares_own_traits_as_ours(shop: Lake, rule: Rule, expected: set[str]) -> None:
    assert who(shop, rule) == expected


def test_properties_mean_to_the_oracle_what_they_mean_to_the_compiler() -> None:
    rows = [
        {"profile_id": who, "name": name, "occurred_on": D, "item_key": None, **dict.fromkeys(
            ("brand", "department", "category", "collection", "campaign", "channel", "subject", "text", "source")
        ), "property_plan": plan}
        for who, name, plan in (("ann", "plan_chosen", "gold"), ("bob", "plan_chosen", "silver"))
    ]  # fmt: skip
    world = evaluate.World(D, traits=[{"profile_id": "ann"}, {"profile_id": "bob"}], activities=rows)
    asked = segment("one", did("plan_chosen", properties={"plan": "gold"}))
    assert evaluate.members([asked], world) == {"one": {"ann"}}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (did("plan_chosen", properties={"plam": "gold"}), "filters plan_chosen by the property plam, which the catalogue does not declare of it: did you mean plan?"),
                (did("Fuelled up", properties={"seats": 7}), "filters Fuelled up by the property seats, which the catalogue does not declare of it"),
        (did("plan_chosen", properties={"seats": "7"}), "filters plan_chosen by seats, which is BIGINT, with a str"),
        (did("plan_chosen", properties={"seats": 7.5}), "filters plan_chosen by seats, which is BIGINT, with a float"),
        (did("plan_chosen", properties={"seats": True}), "filters plan_chosen by seats, which is BIGINT, with a bool"),
        (did("plan_chosen", properties={"trial": 1}), "filters plan_chosen by trial, which is BOOLEAN, with an int"),
        (did("plan_chosen", properties={"from_day": "2018-01-01"}), "filters plan_chosen by from_day, which is DATE, with a str"),
        (did("plan_chosen", properties={"plan": ()}), "writes did(properties={'plan': ()}): properties takes properties by name"),
        (did("plan_chosen", properties={"plan": ""}), "compares plan with text that is empty"),
        (as_before("plan_chosen", plan="gold"), 'a property of the event is asked for by properties={"plan": …}'),
        (did("plan_chosen", properties={"category": "Boots"}), "write category=… for the filter"),
        (did("plan_chosn"), "names event plan_chosn, which no source delivers: did you mean plan_chosen?"),
        (sum_of("plan", activities("plan_chosen")) > 1, "takes sum_of of plan, which is VARCHAR and no number"),
        (sum_of("seat", activities("plan_chosen")) > 1, "takes sum_of of seat, which is no field of activities: did you mean seats?"),
        (sum_of("ammount", activities("plan_chosen")) > 1, "did you mean amount?"),
        (trait("stoer") == "S1", "names trait stoer, which does not exist: did you mean store?"),
        (trait("ltv") == "x", "compares trait ltv, which is DOUBLE, with a str"),
    ],
)  # fmt: skip
def test_what_the_catalogue_does_not_declare_is_refused(rule: Rule, said: str) -> None:
    (problem,) = catalogue(segment("one", rule)).problems()
    assert said in problem
    assert problem.startswith(f"{Path(__file__).parent}")


def catalogue(*segments: Segment, **more: Any) -> Catalogue:
    declared: dict[str, Any] = {"trait_sets": (STORES,), "events": PLANS} | more
    return Catalogue(sources=(), destinations=(), segments=segments, **declared)


def test_a_set_that_cannot_be_read_stops_the_segments_that_read_it_and_no_other(shop: Lake) -> None:
    """Nor do those keep yesterday's answer for today's: they are named, with what to do."""
    direct, through = segment("direct", trait("store") == "S1"), segment("through", member_of("direct"))
    other = segment("other", trait("orders_total") >= 1)
    replace(shop, "traits_crm", own_rows(("ann", "S1", 1.0), ("bob", None, 1.0), ("cat", None, 1.0), digest="before"))
    report = build_memberships(shop, D, [direct, through, other], SETTINGS, vocabulary=KNOWN)
    assert report.sizes == {"other": 2}
    assert set(report.failed) == {"direct", "through"}
    assert "the set crm was declared otherwise" in report.failed["direct"]
    assert "materialise profiles/traits_crm for that day" in report.failed["through"]
    replace(shop, "traits_crm", own_rows(("ann", "S1", 1.0), ("zoe", None, 1.0)))
    with pytest.raises(ConfigError, match="the set crm is of other people"):
        preview(shop, D, direct, [], SETTINGS, vocabulary=KNOWN)


def test_explain_shows_own_traits_and_properties(shop: Lake) -> None:
    one = segment("one", all_of(trait("store") == "S1", did("plan_chosen", properties={"plan": "gold", "seats": 7})))
    found = explain(shop, D, one, [], SETTINGS, "ann", vocabulary=KNOWN)
    assert [(t.term, t.holds, t.value) for t in found.terms[1:]] == [
        ("store == S1", True, "S1"),
        ("did plan_chosen, plan gold, seats 7", True, "1"),
    ]
    assert preview(shop, D, one, [], SETTINGS, vocabulary=KNOWN).size == 1


def test_rules_follow_the_key_spaces_of_the_company(lake: Lake, put: Put) -> None:
    """The clicks' user ids are the shop's customers: a rule finds whose they are as identity did."""
    visit = {
        "source": "clicks", "event_key": "1", "name": "visit", "customer_key": "7", "day": D,
        "occurred_at": datetime(2017, 12, 30, 12, tzinfo=UTC), "occurred_on": date(2017, 12, 30), "received_at": datetime(2017, 12, 30, 12, tzinfo=UTC),
    }  # fmt: skip
    put("traits", [{"as_of": D, "profile_id": "ann", "orders_total": 1}])
    put("identities", [{"as_of": D, "source": "shop", "entity": "customer", "record_key": "7", "profile_id": "ann"}])
    put("events", [visit])
    one = segment("one", did("visit"))
    for key_spaces, found in (({}, 0), ({"clicks": "shop"}, 1), ({"clicks": "till"}, 0)):
        known = Vocabulary(identity=IdentityRules(key_spaces=key_spaces))
        assert build_memberships(lake, D, [one], SETTINGS, vocabulary=known).sizes == {"one": found}
        assert preview(lake, D, one, [], SETTINGS, vocabulary=known).size == found


@pytest.mark.parametrize("key", ["plan type", "utm.source", "$plan", "plan", "Größe", "a:b/c-d", "7"])
def test_a_property_may_have_any_key_in_the_record(lake: Lake, put: Put, key: str) -> None:
    """A tool that writes `plan type` or `utm.source`: not a path into the record, but one key of it."""
    at = datetime(2017, 12, 30, 12, tzinfo=UTC)
    put("traits", [{"as_of": D, "profile_id": who, "orders_total": 1} for who in ("ann", "bob")])
    put("identities", [{"as_of": D, "source": "till", "entity": "customer", "record_key": who, "profile_id": who} for who in ("ann", "bob")])  # fmt: skip
    put("events", [
        {"source": "till", "event_key": who, "name": "chosen", "customer_key": who, "day": D, "occurred_at": at,
         "occurred_on": at.date(), "received_at": at, "properties": json.dumps(held)}
        for who, held in (("ann", {key: "gold"}), ("bob", {key: "silver", "utm": {"source": "gold"}}))
    ])  # fmt: skip
    chosen = Event("chosen", {"plan": "VARCHAR"}, keys={"plan": key})
    assert catalogue(events=(chosen,)).problems() == []
    one, known = segment("one", did("chosen", properties={"plan": "gold"})), Vocabulary.of([], [chosen])
    assert build_memberships(lake, D, [one], SETTINGS, vocabulary=known).sizes == {"one": 1}
    assert explain(lake, D, one, [], SETTINGS, "ann", vocabulary=known).member


def test_a_person_is_shown_with_own_traits(shop: Lake) -> None:
    shown = profile_view(shop, "ann")["traits"]
    assert (shown["orders_total"], shown["store"], shown["ltv"]) == (0, "S1", 10.0)


def test_a_digest_covers_the_own_traits_a_rule_reads_and_only_those() -> None:
    reads, other = segment("reads", trait("store") == "S1"), segment("other", trait("orders_total") >= 1)
    leans = segment("leans", member_of("reads"))
    declared = {one.name: one for one in (reads, other, leans)}
    changed = KNOWN.meanings | {"store": "another"}
    for one in (reads, leans):
        assert definition_hash(one, declared, KNOWN.meanings) != definition_hash(one, declared, changed)
    assert definition_hash(other, declared, KNOWN.meanings) == definition_hash(other, declared, changed)


def test_an_audience_may_send_own_traits() -> None:
    def sends(name: str) -> list[str]:
        audience = Audience(
            "a",
            segment="one",
            destination="files",
            channel="email",
            owner="team:crm",
            attributes=(Attribute(name, "x"),),
        )
        return [p for p in catalogue(segment("one", did("visit")), audiences=(audience,)).problems() if "trait" in p]

    assert sends("store") == []
    assert sends("stoer") == ["audience a sends trait stoer, which nobody declares: did you mean store?"]


def test_own_traits_are_published_as_a_table_of_their_own(tmp_path: Path) -> None:
    assert tables_of([STORES]) == ("profiles", "traits", "memberships", "traits_crm")
    with closing(Company(tmp_path, f"sqlite:///{tmp_path / 'bi.sqlite'}")) as company:
        company.write(
            "traits_crm", [row | {"as_of": MONDAY} for row in own_rows(("ann", "S1", 2.5))], {"as_of": [MONDAY]}
        )
        (done,) = company.publish("traits_crm")
        assert (done.table, done.rows) == ("traits_crm", 1)
        assert company.held("traits_crm", "profile_id", "store", "ltv") == [("ann", "S1", 2.5)]
