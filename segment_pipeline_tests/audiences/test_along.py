"""What goes along with a key and is no part of it: names, places, attributes, a company's own traits, messages."""

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from segment_pipeline.audiences.audience import Attribute, SegmentToday
from segment_pipeline.audiences.retire import retire
from segment_pipeline.delivery.destination import IdentifierRule
from segment_pipeline.identifiers import RULES
from segment_pipeline.profiles.traits.sets import declare, forget
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.audiences.test_keys import ANN, BOB, B, P
from segment_pipeline_tests.audiences.tool import KINDS, Tool
from segment_pipeline_tests.audiences.world import Person, World, audience


def named(world: World, **people: dict[str, str | date | None]) -> None:
    """The same people, with these fields in their profiles."""
    world.write("profiles", [row | people.get(row["profile_id"], {}) for row in world.rows("profiles")])


@pytest.mark.also_on_spark("audiences/people_along", "audiences/along_values", "audiences/told_upserts")
def test_what_goes_along_is_no_part_of_the_key(world: World, tmp_path: Path) -> None:
    """Names and places make a tool match better; a shared name is nobody's key, and a changed one no leave."""
    along = (
        IdentifierRule("FN", "first_name", "name/letters-sha256/1"),
        IdentifierRule("ZIP", "postcode", "postcode/short-sha256/1"),
    )
    tool = Tool(tmp_path / "t.sqlite", **KINDS["any_key"], along=along)
    world.people([ANN, BOB, Person("cat", "cat@shop.test")])
    named(
        world,
        ann={"first_name": "Zo\u00eb", "postcode": "94035-1234"},
        bob={"first_name": "ZO\u00cb", "postcode": None},
    )
    assert world.sync(audience(), tool).added == 3
    rules = [RULES[rule.rule] for rule in along]
    name, postcode = rules[0].apply("zo\u00eb"), rules[1].apply("94035")
    assert sorted(tool.attributes(), key=len) == [{}, {"FN": name}, {"FN": name, "ZIP": postcode}]
    assert world.sync(audience(), tool).requests == 0
    named(world, bob={"first_name": "Rob"})
    report = world.sync(audience(), tool)
    assert (report.updated, report.added, report.removed) == (1, 0, 0)
    world.people([BOB, Person("cat", "cat@shop.test")])
    report = world.sync(audience(), tool)
    assert (report.removed, tool.held()) == (1, {(B, P), ("cat@shop.test", None)})


@pytest.mark.also_on_spark("audiences/people_along", "audiences/along_values")
def test_places_and_birthdays_go_along(world: World, tmp_path: Path) -> None:
    """A state is one of its country, a date gives its year."""
    kinds = {"CT": "city", "ST": "state", "DOBY": "birth_date", "DOBM": "birth_day", "GEN": "gender"}
    rules = {"CT": "city/latin-sha256/1", "ST": "state/latin-sha256/1", "DOBY": "birth_date/year-sha256/1"}
    rules |= {"DOBM": "birth_day/month-sha256/1", "GEN": "gender/letter-sha256/1"}
    along = tuple(IdentifierRule(column, kind, rules[column]) for column, kind in kinds.items())
    tool = Tool(tmp_path / "t.sqlite", **KINDS["any_key"], along=along)
    world.people([ANN, BOB, Person("cat", "cat@shop.test")])
    named(
        world,
        ann={"country": "US", "region": "California", "city": "St. Louis", "gender": "female"},
        bob={"country": "IT", "region": None, "birth_date": date(1986, 2, 9), "birth_day": "02-09", "gender": "other"},
    )
    assert world.sync(audience(), tool).added == 3
    hashed = {text: hashlib.sha256(text.encode()).hexdigest() for text in ("ca", "stlouis", "f", "1986", "02")}
    assert sorted(tool.attributes(), key=len) == [
        {},
        {"DOBY": hashed["1986"], "DOBM": hashed["02"]},
        {"CT": hashed["stlouis"], "ST": hashed["ca"], "GEN": hashed["f"]},
    ]


@pytest.mark.also_on_spark("audiences/people_along", "audiences/along_values")
def test_what_goes_along_as_it_is_may_hold_anything(world: World, tmp_path: Path) -> None:
    """An address for a letter, in whatever characters it was typed; what is empty does not go along."""
    kinds = ("first_name", "last_name", "street", "city")
    along = tuple(IdentifierRule(kind, kind, "text/plain/1") for kind in kinds)
    tool = Tool(tmp_path / "t.sqlite", **KINDS["any_key"], along=along)
    world.people([ANN, Person("cat", "cat@shop.test")])
    odd = {"first_name": 'Zo\u00eb "Z"', "last_name": "O'Hara\\", "street": "1, High St\n\tback {x}"}
    named(world, ann={**odd, "city": ""})
    assert world.sync(audience(), tool).added == 2
    assert sorted(tool.attributes(), key=len) == [{}, odd]
    assert world.sync(audience(), tool).requests == 0


@pytest.mark.also_on_spark("audiences/told_apart")
def test_of_several_people_under_one_key_the_least_text_goes_along(world: World, tmp_path: Path) -> None:
    """Whose it is does not change from run to run, and only another text is another."""
    tool = Tool(
        tmp_path / "t.sqlite", **KINDS["any_key"], along=(IdentifierRule("FN", "first_name", "name/letters-sha256/1"),)
    )
    sent = {name: RULES["name/letters-sha256/1"].apply(name) for name in ("cat", "dan", "eve")}
    world.people([Person("p1", "home@shop.test"), Person("p2", "home@shop.test"), Person("p3", "eve@shop.test")])
    named(world, p1={"first_name": "cat"}, p2={"first_name": "dan"}, p3={"first_name": "eve"})
    assert world.sync(audience(), tool).added == 2
    least = min(sent["cat"], sent["dan"])
    assert {held["FN"] for held in tool.attributes()} == {least, sent["eve"]}
    assert world.sync(audience(), tool).requests == 0
    named(world, p1={"first_name": "dan"}, p2={"first_name": "cat"}, p3={"first_name": "eve"})
    assert world.sync(audience(), tool).requests == 0
    named(world, p1={"first_name": "dan"}, p2={"first_name": "dan"}, p3={"first_name": "eve"})
    report = world.sync(audience(), tool)
    assert report.updated == (least != sent["dan"])
    named(world, p1={"first_name": "dan"}, p2={"first_name": None}, p3={"first_name": "eve"})
    assert world.sync(audience(), tool).requests == 0


def test_what_goes_along_keeps_no_denial_in_where_nobody_is_eligible(world: World, tmp_path: Path) -> None:
    """No memberships that are fresh enough, or an audience that is being retired: there is nothing to send along."""
    tool = Tool(
        tmp_path / "t.sqlite", **KINDS["any_key"], along=(IdentifierRule("FN", "first_name", "name/letters-sha256/1"),)
    )
    world.people([ANN, Person("cat", "cat@shop.test")])
    assert world.sync(audience(), tool).added == 2
    world.suppress([("email", "ann@shop.test", "*", "complaint")])
    stale = audience(max_age_hours=-1000)
    report = world.sync(stale, tool)
    assert (report.status, report.removed, tool.held()) == ("held", 1, {("cat@shop.test", None)})
    [report] = retire(world.round([], {"tool": tool}), "shoppers", "empty")
    assert (report.status, tool.held()) == ("retired", set())


def test_attributes_are_sent_when_they_change_and_unknown_ones_left_out(world: World, tmp_path: Path) -> None:
    tool = Tool(tmp_path / "t.sqlite", **KINDS["one_record"], attributes=True)
    mapped = audience(attributes=[Attribute("lifecycle_stage", "stage"), Attribute("city", "town", clears=True)])
    world.people([replace(ANN, traits={"lifecycle_stage": "new", "city": "Bonn"})])
    world.sync(mapped, tool)
    assert tool.attributes() == [{"stage": "new", "town": "Bonn"}]
    assert world.sync(mapped, tool).requests == 0
    world.people([replace(ANN, traits={"city": None, "orders_total": 1})])
    report = world.sync(mapped, tool)
    assert (report.updated, report.unchanged) == (1, 0)
    assert tool.attributes() == [{"stage": "new", "town": None}]


def test_a_segments_message_reaches_a_tool_that_takes_attributes(world: World, tmp_path: Path) -> None:
    """It was declared, documented and set, and read by nobody. Under the tool's own names, where it has others."""
    said = SegmentToday("h", {"template": 'cart "reminder"', "days": "7"})
    mapped = audience(today=said, message_names={"template": "flow"}, attributes=[Attribute("city", "town")])
    tool = Tool(tmp_path / "t.sqlite", **KINDS["one_record"], attributes=True)
    world.people([replace(ANN, traits={"city": "Bonn"}), replace(BOB, phone=None)])
    world.sync(mapped, tool)
    message = {"flow": 'cart "reminder"', "days": "7"}
    assert sorted(tool.attributes(), key=len) == [message, message | {"town": "Bonn"}]
    assert world.sync(mapped, tool).requests == 0
    changed = replace(mapped, today=SegmentToday("h", {"template": "other"}))
    assert world.sync(changed, tool).updated == 2
    assert {held["flow"] for held in tool.attributes()} == {"other"}
    assert world.sync(audience(name="plain", today=said), tool).added == 2
    assert tool.attributes("2") == [{"template": 'cart "reminder"', "days": "7"}] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_that_takes_no_attributes_is_sent_no_message(world: World, tmp_path: Path, kind: str) -> None:
    tool = Tool(tmp_path / "tool.sqlite", **KINDS[kind])
    world.people([ANN])
    assert world.sync(audience(today=SegmentToday("h", {"template": "cart"})), tool).status == "synced"
    assert tool.attributes() == [{}]


def test_a_companys_own_traits_are_sent_as_ours_and_not_when_they_are_of_something_else(
    world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    own = TraitSet("crm", (Trait.sql("store", "VARCHAR", "favourite", query="city", null="none", owner="team:crm"),))
    declare(own)
    request.addfinalizer(forget)
    tool = Tool(tmp_path / "t.sqlite", **KINDS["one_record"], attributes=True)
    mapped = audience(attributes=[Attribute("city", "town"), Attribute("store", "store")])
    world.people([replace(ANN, traits={"city": "Bonn"})])
    report = world.sync(mapped, tool)
    assert report.status == "failed"
    assert "the traits of the set crm are not there" in report.reasons[0]
    row = {"as_of": world.day, "profile_id": "ann", "store": "S1", "definition_hash": own.digest}
    world.write("traits_crm", [row])
    world.sync(mapped, tool)
    assert tool.attributes() == [{"town": "Bonn", "store": "S1"}]
