"""A catalogue's declarations: connectors as they are, each under a name of its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segment_pipeline.audiences.audience import Attribute, Guards, Holdout
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.destinations.hubspot.connector import HubSpotLists
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.destinations.linkedin.connector import LinkedInSegments
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.destinations.statsig.connector import StatsigSegments
from segment_pipeline.errors import ConfigError
from segment_pipeline.events import Event
from segment_pipeline.goals import Goal
from segment_pipeline.profiles.rules import IdentityRules, TraitRules
from segment_pipeline.segments.rules import Segment, trait
from segment_pipeline.settings import Settings
from segment_pipeline.sources.frame.connector import Frames
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import audience

# As somebody writes them who has not read the types.
ours_of: Any = Catalogue
event: Any = Event
goal: Any = Goal
trait_set: Any = TraitSet
changed: Any = replace
holdout: Any = Holdout
guards: Any = Guards
identity: Any = IdentityRules
thresholds: Any = TraitRules
TRAIT = Trait.sql("n", "BIGINT", "in a test", query="1", null="", owner="team:crm")
SHOPPERS = Segment("shoppers", owner="team:crm", goal="orders", description="d", where=trait("orders_total") > 1)


def settings(home: Path, **values: str) -> Settings:
    given = {"HOME": str(home)} | values
    return Settings.from_env({f"SEGMENT_PIPELINE_{name}": value for name, value in given.items()})


def named(home: Path, *names: str) -> Catalogue:
    return Catalogue(sources=(), destinations=[Tool(home / "tools", name) for name in names], segments=())


def test_what_is_declared_is_switched_on_unless_the_settings_name_some(tmp_path: Path) -> None:
    ours = named(tmp_path, "crm", "ads")
    assert list(ours.enabled_destinations(settings(tmp_path))) == ["crm", "ads"]
    assert list(ours.enabled_destinations(settings(tmp_path, DESTINATIONS="ads"))) == ["ads"]
    assert ours.enabled_destinations(settings(tmp_path, DESTINATIONS="none")) == {}
    with pytest.raises(
        ConfigError, match="SEGMENT_PIPELINE_DESTINATIONS names asd, which the catalogue lacks; it has crm, ads"
    ):
        ours.enabled_destinations(settings(tmp_path, DESTINATIONS="asd"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("crm", "crm"), "destination crm is declared 2 times: give each a name of its own"),
        (("Our CRM",), "destination 'Our CRM' has no usable name"),
        (("crm/eu",), "destination 'crm/eu' has no usable name"),
        (("import",), "destination 'import' has no usable name"),
        (("",), "destination '' has no usable name"),
        (("segments",), "destination segments has the name of a room of asset keys"),
    ],
)
def test_a_name_that_cannot_be_part_of_a_key_is_refused(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    (problem,) = named(tmp_path, *names).problems()
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (KlaviyoLists(channel="SMS"), "klaviyo has the channel 'SMS': set one of email, sms"),  # type: ignore[arg-type]
        (HubSpotLists(attempts=0), "hubspot has the attempts 0: set 1 or more"),
        (HubSpotLists(per_ten_seconds="10"), "per_ten_seconds '10', which is no whole number"),  # type: ignore[arg-type]
        (MetaAudiences(match_keys="no"), "match_keys 'no', which is no True or False"),  # type: ignore[arg-type]
        (StatsigSegments(users_of="till", max_list_size=-1), "statsig has the max_list_size -1: set 1 or more"),
        (StatsigSegments(users_of="til"), "ids of source til, which nobody declares: did you mean till"),
    ],
)
def test_a_setting_a_tool_cannot_have_is_told_when_the_company_is_loaded(made: Any, said: str) -> None:
    """Taken as they come, the first would send e-mails as SMS, and others fail in the middle of a sync."""
    (problem,) = Catalogue(sources=[Frames(name="till", tables=())], destinations=[made], segments=()).problems()
    assert said in problem


def test_a_number_that_may_be_none_at_all_may_be() -> None:
    """0: members are never sent anew."""
    never, wrong = LinkedInSegments(renewed_days=0), LinkedInSegments(renewed_days=-1)
    assert Catalogue(sources=(), destinations=[never], segments=()).problems() == []
    (problem,) = Catalogue(sources=(), destinations=[wrong], segments=()).problems()
    assert "linkedin has the renewed_days -1: set 0 or more" in problem


def test_two_of_a_kind_stand_beside_each_other(tmp_path: Path) -> None:
    assert named(tmp_path, "crm", "crm_ca").problems() == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: ours_of([], [], SHOPPERS), "the catalogue has segments=Segment(…): write each a Segment(…), in a list: segments=[Segment(…)]"),
        (lambda: ours_of([], [], [SHOPPERS, "b"]), "the catalogue has segments=['b']: write each a Segment(…)"),
        (lambda: ours_of([], [], [None]), "the catalogue has segments=[None]: write each a Segment(…)"),
        (lambda: ours_of([], [], None), "the catalogue has segments=None: write each a Segment(…)"),
        (lambda: ours_of([], [], [], "vip"), "the catalogue has audiences='vip': write each an Audience(…)"),
        (lambda: ours_of([], [], [], goals=["orders"]), "the catalogue has goals=['orders']: write each a Goal(…)"),
        (lambda: ours_of([], [], [], events=("visit",)), "the catalogue has events=['visit']: write each an Event(…), in a list"),
        (lambda: ours_of([], [], [], events=("visit")), "the catalogue has events='visit': write each an Event(…), in a list"),
        (lambda: ours_of([], [], [], trait_sets=trait_set("own", [TRAIT])), "the catalogue has trait_sets=TraitSet(…): write each a TraitSet(…)"),
        (lambda: ours_of([], [], [], trait_sets=[TRAIT]), "the catalogue has trait_sets=[Trait(…)]: write each a TraitSet(…)"),
        (lambda: ours_of([], [], [], identity={"trust": ()}), "the catalogue has identity={'trust': ()}: write IdentityRules(…)"),
        (lambda: ours_of([], [], [], rates="rates.csv"), "the catalogue has rates='rates.csv': write rates by day, or the Path of a CSV file"),
        (lambda: ours_of(Frames(name="till", tables=()), [], []), "the catalogue has sources=Frames(…): write each a connector, in a list"),
        (lambda: ours_of([], ["hubspot"], []), "the catalogue has destinations=['hubspot']: write each a connector, in a list"),
        (lambda: ours_of([], [None], []), "the catalogue has destinations=[None]: write each a connector, in a list"),
        (lambda: event(None), "event None has name=None: write text"),
        (lambda: event("a", ("seats",)), """event a has properties=('seats',): write texts by name, {"seats": "BIGINT"}"""),
        (lambda: event("a", {"seats": 1}), "event a has properties={'seats': 1}: write texts by name"),
        (lambda: event("a", fills="product"), """event a has fills='product': write texts in parentheses, ("one", "other")"""),
        (lambda: goal("orders", None), "goal orders has measure=None: write text"),
        (lambda: trait_set("own", TRAIT), "trait set own has traits=Trait(…): write each a Trait(…), in a list"),
        (lambda: trait_set(None, [TRAIT]), "trait set None has name=None: write text"),
        (lambda: changed(TRAIT, name=None), "trait None has name=None: write text"),
        (lambda: changed(TRAIT, owner=None), "trait n has owner=None: write text"),
        (lambda: audience(limit="3"), "audience shoppers has limit='3': write a whole number"),
        (lambda: audience(holdout=0.1), "audience shoppers has holdout=0.1: write Holdout(…)"),
        (lambda: audience(priority=3), "audience shoppers has priority=3: write Priority(…)"),
        (lambda: audience(guards=None), "audience shoppers has guards=None: write Guards(…)"),
        (lambda: guards(allow_empty="no"), "guards has allow_empty='no': write True or False"),
        (lambda: guards(removal_share=None), "guards has removal_share=None: write a number"),
        (lambda: audience(owned="no"), "audience shoppers has owned='no': write True or False"),
        (lambda: identity(blocked_values={"email": "till@shop.test"}), "identity has blocked_values={'email': 'till@shop.test'}: write texts by type"),
        (lambda: identity(limits={"email": "10"}), "identity has limits={'email': '10'}: write whole numbers by type"),
        (lambda: identity(role_patterns={"email": ["^info@"]}), "identity has role_patterns={'email': ['^info@']}: write patterns by type and reason"),
        (lambda: holdout("e", None), "holdout e has share=None: write a number"),
        (lambda: identity(trust=None), "identity has trust=None: write texts in parentheses"),
        (lambda: identity(trust="shop"), "identity has trust='shop': write texts in parentheses"),
        (lambda: identity(key_spaces=("a", "b")), "identity has key_spaces=('a', 'b'): write texts by name"),
        (lambda: thresholds(new_days="30"), "traits has new_days='30': write a whole number"),
        (lambda: audience(owner=None), "audience shoppers has owner=None: write text"),
        (lambda: audience(attributes=Attribute("city", "CITY")), "audience shoppers has attributes=Attribute(…): write each an Attribute(…)"),
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_declaration_is_one_line_with_its_place(made: Callable[[], Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        made()
    place, _, text = str(raised.value).partition(": ")
    assert text.startswith(said)
    assert Path(place.rpartition(":")[0]).is_file()
    assert len(text.splitlines()) == 1


def test_of_a_name_nobody_declares_the_one_that_was_meant_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no segment shopers: did you mean shoppers"):
        Catalogue([], [], [SHOPPERS]).segment("shopers")
    with pytest.raises(ConfigError, match="there is no segment x: `segment-pipeline segments list` shows them"):
        Catalogue([], [], [SHOPPERS]).segment("x")


def test_a_class_in_the_place_of_a_connector_is_named() -> None:
    ours = Catalogue(sources=(), destinations=[Tool], segments=())  # type: ignore[list-item]
    assert ours.problems() == ["destination Tool is a class: write Tool()"]


@pytest.mark.parametrize(
    ("owner", "fits"), [("team:crm", True), ("ann@shop.test", True), ("crm", False), ("team:", False)]
)
def test_an_owner_is_one_dagster_can_show(tmp_path: Path, owner: str, fits: bool) -> None:
    ours = Catalogue(
        sources=(), destinations=[Tool(tmp_path / "tools")], segments=(SHOPPERS,), audiences=(audience(owner=owner),)
    )
    said = [f"audience shoppers has the owner {owner}: write an e-mail or team:name"]
    assert ours.problems() == ([] if fits else said)
    assert fits == loads(owner)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (IdentityRules(), None),
        (IdentityRules(key_spaces={"clicks": "shop"}, trust=("till", "shop")), None),
        (
            IdentityRules(key_spaces={"clicks": "shopp"}),
            "identity names source shopp in key_spaces, which nobody declares: did you mean shop?",
        ),
        (
            IdentityRules(key_spaces={"website": "shop"}),
            "identity names source website in key_spaces, which nobody declares",
        ),
        (
            IdentityRules(trust=("tills",)),
            "identity names source tills in trust, which nobody declares: did you mean till?",
        ),
        (
            IdentityRules(key_spaces={"clicks": "shop", "shop": "till"}),
            (
                "identity says in key_spaces that clicks names the customers of shop, and shop those of till:"
                " say of each whose they are in the end"
            ),
        ),
    ],
)
def test_a_source_that_identity_names_is_declared(rules: IdentityRules, said: str | None) -> None:
    sources = [Frames(name=name, tables=()) for name in ("till", "shop", "clicks")]
    ours = Catalogue(sources=sources, destinations=(), segments=(), identity=rules)
    assert ours.problems() == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("goals", "said"),
    [
        ((), None),
        ((Goal("orders", "orders per member within 30 days"),), None),
        (
            (Goal("order", "orders"),),
            "segment shoppers has the goal orders, which nobody declares: did you mean order?",
        ),
        ((Goal("orders", "a"), Goal("orders", "b")), "goal orders is declared 2 times: declare it once"),
        ((Goal("orders", " "),), "goal orders has no measure: say what is counted, of whom and over which days"),
        ((Goal("orders", "a"), Goal("more orders", "b")), "goal 'more orders' has no usable name"),
    ],
)
def test_a_goal_is_one_of_those_declared_where_any_are(goals: tuple[Goal, ...], said: str | None) -> None:
    ours = Catalogue(sources=(), destinations=(), segments=(SHOPPERS,), goals=goals)
    assert len(ours.problems()) == (said is not None)
    assert all(said is not None and said in problem for problem in ours.problems())


def test_an_experiment_has_one_share_for_all_its_audiences(tmp_path: Path) -> None:
    def problems(*shares: float) -> list[str]:
        audiences = [audience(name=f"a{n}", holdout=Holdout("welcome", share)) for n, share in enumerate(shares)]
        tools = [Tool(tmp_path / "tools")]
        return Catalogue(sources=(), destinations=tools, segments=(SHOPPERS,), audiences=audiences).problems()

    assert problems(0.25, 0.25) == []
    assert problems(0.25, 0.5) == ["experiment welcome has a holdout of 0.25 and 0.5: give its audiences one share"]


@pytest.mark.parametrize(
    ("goal", "fits"),
    [("orders_30d", True), ("more orders", False), ("orders/30d", False), ("Größe", False), ("a" * 64, False)],
)
def test_a_goal_is_one_dagster_takes_as_a_tag(goal: str, fits: bool) -> None:
    ours = Catalogue(sources=(), destinations=(), segments=(replace(SHOPPERS, goal=goal),))
    assert [f"has the goal {goal!r}: write a name of" in problem for problem in ours.problems()] == [True] * (not fits)
    assert fits == loads(goal=goal)


def loads(owner: str = "team:crm", goal: str = "orders") -> bool:
    try:
        dg.AssetSpec("shoppers", owners=[owner], tags={"goal": goal})
    except dg.DagsterInvalidDefinitionError:
        return False
    return True


@pytest.mark.parametrize(
    ("message", "names", "said"),
    [
        ({"template": "cart", "days": "7"}, {"template": "flow"}, None),
        ({"stage": "x"}, {}, "audience shoppers sends field stage twice, of the message of segment shoppers too"),
        ({"template": "x"}, {"template": "stage"}, "audience shoppers sends field stage twice"),
        ({"a": "x", "b": "y"}, {"a": "b"}, "audience shoppers sends field b twice"),
        (
            {"template": "x"},
            {"templte": "flow"},
            "audience shoppers names part templte of the message of segment shoppers, which has none",
        ),
    ],
)
def test_a_message_has_names_of_its_own_at_the_tool(
    tmp_path: Path, message: dict[str, Any], names: dict[str, str], said: str | None
) -> None:
    one = replace(SHOPPERS, message=message)
    kept = audience(message_names=names, attributes=[Attribute("lifecycle_stage", "stage")])
    ours = Catalogue(sources=(), destinations=[Tool(tmp_path / "tools")], segments=(one,), audiences=(kept,))
    found = ours.problems()
    assert len(found) == (0 if said is None else 1)
    assert (said or "") in "".join(found)


def test_an_audience_knows_what_its_segment_means_today(tmp_path: Path) -> None:
    one = replace(SHOPPERS, message={"template": "cart"})
    ours = Catalogue(sources=(), destinations=[Tool(tmp_path / "tools")], segments=(one,), audiences=(audience(),))
    [enabled] = ours.enabled_audiences(settings(tmp_path))
    assert enabled.today is not None
    assert (enabled.today.definition, enabled.message) == (ours.definition("shoppers"), {"template": "cart"})
    assert enabled == audience(), "what the catalogue fills in is no part of the declaration"
