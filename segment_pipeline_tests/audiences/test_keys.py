"""Destination keys: shared identifiers, changed identifiers, owners, attributes; on both kinds of tool."""

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline import identifiers
from segment_pipeline.audiences import shape
from segment_pipeline.audiences.audience import Attribute, Guards, SegmentToday
from segment_pipeline.audiences.retire import retire
from segment_pipeline.delivery.destination import Batch, IdentifierRule, Receipt
from segment_pipeline.errors import TransientError
from segment_pipeline.identifiers import RULES
from segment_pipeline.match_keys import Rule
from segment_pipeline.profiles.traits.sets import declare, forget
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.audiences.tool import HASHED, KINDS, PLAIN, Tool
from segment_pipeline_tests.audiences.world import BEFORE, Person, World, audience

A, B, P, Q = "ann@shop.test", "bob@shop.test", "+12025550101", "+12025550102"
ANN, BOB = Person("ann", A, P), Person("bob", B, P)


@pytest.fixture(params=KINDS)
def tool(request: pytest.FixtureRequest, tmp_path: Path) -> Tool:
    return Tool(tmp_path / "tool.sqlite", **KINDS[request.param])


def test_identifiers_are_sent_as_the_rule_makes_them(world: World, tmp_path: Path) -> None:
    tool = Tool(tmp_path / "hashed.sqlite", identifiers=HASHED)
    world.people([Person("mary", "mary@example.com", "+15559876543")])
    world.sync(audience(), tool)
    # Meta's own vectors.
    assert tool.held() == {
        (
            "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79",
            "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e",
        )
    }


def test_one_of_two_who_share_a_phone_leaves(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    world.sync(audience(), tool)
    world.members(["bob"])
    report = world.sync(audience(), tool)
    assert tool.held() == {(B, P)}
    assert (report.removed, report.unchanged, report.remote) == (1, 1, 1)


def test_two_people_with_the_same_identifiers_are_one_key_until_both_left(world: World, tool: Tool) -> None:
    world.people([ANN, replace(ANN, profile_id="spouse")])
    report = world.sync(audience(), tool)
    assert (report.eligible, report.desired, tool.held()) == (2, 1, {(A, P)})
    world.members(["spouse"])
    assert world.sync(audience(), tool).unchanged == 1
    assert [r["owners"] for r in world.rows("audience_members")] == [["spouse"]]
    world.members([])
    assert world.sync(audience(), tool).removed == 1
    assert tool.held() == set()


@pytest.mark.also_on_spark("audiences/desired_records", "audiences/record_owners")
@pytest.mark.parametrize("tool", ["one_record"], indirect=True)
def test_who_shares_a_phone_has_a_record_of_their_own(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    report = world.sync(audience(), tool)
    assert (report.eligible, report.desired, tool.held()) == (2, 2, {(A, P), (B, P)})
    assert sorted(r["owners"] for r in world.rows("audience_members")) == [["ann"], ["bob"]]


@pytest.mark.parametrize("changed", [(A, Q), ("new@shop.test", P), ("new@shop.test", Q), (None, P), (A, None)])
def test_changed_identifiers_are_a_rekey(world: World, tool: Tool, changed: tuple[str | None, str | None]) -> None:
    world.people([ANN, Person("cat", "cat@shop.test")])
    world.sync(audience(), tool)
    world.people([replace(ANN, email=changed[0], phone=changed[1]), Person("cat", "cat@shop.test")])
    report = world.sync(audience(), tool)
    assert (report.added, report.removed, report.remote, report.status) == (1, 1, 2, "synced")
    strongest = {(e or p) for e, p in tool.held()}
    assert strongest == {changed[0] or changed[1], "cat@shop.test"}
    assert world.sync(audience(), tool).requests == 0


def test_a_phone_alone_whose_owner_left_while_another_carries_it(world: World, tool: Tool) -> None:
    world.people([Person("cat", None, P), ANN])
    first = world.sync(audience(), tool)
    assert first.remote == first.desired
    world.members(["ann"])
    report = world.sync(audience(), tool)
    assert tool.held() == {(A, P)}
    assert (report.remote, report.status) == (1, "synced")
    assert world.sync(audience(), tool).requests == 0


def test_two_addresses_that_share_a_record_at_the_tool_are_one_key(world: World, tmp_path: Path) -> None:
    tool = Tool(tmp_path / "t.sqlite", **KINDS["one_record"])
    world.people([Person("ann", A, P), Person("twin", A, Q)])
    report = world.sync(audience(), tool)
    assert (report.eligible, report.desired, report.remote) == (2, 1, 1)
    world.members(["twin"])
    assert world.sync(audience(), tool).remote == 1
    assert world.sync(audience(), tool).requests == 0
    world.members([])
    assert world.sync(audience(), tool).remote == 0


def test_an_alias_of_an_owner_sends_nothing(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    world.sync(audience(), tool)
    world.people([replace(ANN, profile_id="n-ann"), BOB])
    world.alias([("ann", "n-ann")])
    calls = tool.calls()
    report = world.sync(audience(), tool)
    assert (report.unchanged, report.requests, tool.calls()) == (2, 0, calls)


@pytest.mark.also_on_spark("audiences/external_ids")
def test_an_id_of_ours_stays_the_one_first_sent(world: World, tmp_path: Path) -> None:
    from segment_pipeline.delivery.destination import IdentifierRule

    ids = (IdentifierRule("external_id", "external_id", "external_id/plain/1"),)
    tool = Tool(tmp_path / "ids.sqlite", identifiers=ids)
    world.people([ANN])
    world.sync(audience(), tool)
    world.people([replace(ANN, profile_id="n-ann")])
    world.alias([("ann", "n-ann")])
    assert world.sync(audience(), tool).requests == 0
    assert tool.held() == {("ann",)}


def test_an_id_of_ours_beside_other_identifiers_reaches_nobody_by_itself(world: World, tmp_path: Path) -> None:
    """Switched on, everybody is known by it too and nobody leaves; consents and suppressions are of the others."""
    shared, single = Person("twin", A), Person("cat", "cat@shop.test")
    everybody = [ANN, BOB, shared, single]
    world.people([*everybody, Person("dan", "dan@shop.test", consent=False), Person("eve")])
    path = tmp_path / "t.sqlite"
    assert world.sync(audience(), Tool(path)).added == 4
    tool = Tool(path, identifiers=(*PLAIN, IdentifierRule("id", "external_id", "external_id/plain/1")))
    assert world.sync(audience(), tool).remote == 4
    assert tool.held() == {(p.email, p.phone, p.profile_id) for p in everybody}
    assert world.sync(audience(), tool).requests == 0
    world.members(["bob", "twin", "cat"])
    assert world.sync(audience(), tool).removed == 1
    assert tool.held() == {(p.email, p.phone, p.profile_id) for p in (BOB, shared, single)}
    world.suppress([("email", "cat@shop.test", "*", "complained")])
    assert world.sync(audience(), tool).removed == 1
    assert tool.held() == {(p.email, p.phone, p.profile_id) for p in (BOB, shared)}


def salted(version: int) -> Rule:
    """A way of hashing that is not yet in use, the same in Python as in SQL."""
    return Rule(
        lambda value: hashlib.sha256(f"v{version}{value}".encode()).hexdigest(), f"sha256('v{version}' || {{column}})"
    )


@pytest.fixture
def two_versions(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    """A tool's capabilities under a rule, and under the next version of that rule."""
    rules = {f"{kind}/salted/{version}": salted(version) for kind in ("email", "phone") for version in (1, 2)}
    monkeypatch.setattr(identifiers, "RULES", {**RULES, **rules})
    monkeypatch.setattr(shape, "RULES", {**RULES, **rules})

    def given(version: int) -> dict[str, Any]:
        named = [IdentifierRule(kind, kind, f"{kind}/salted/{version}") for kind in ("email", "phone")]
        return {"identifiers": tuple(named)}

    return given(1), given(2)


def sent(version: int, *people: Person) -> set[tuple[str | None, ...]]:
    rule = salted(version)
    return {tuple(rule.apply(value) if value else None for value in (p.email, p.phone)) for p in people}


@pytest.mark.parametrize("kind", KINDS)
def test_keys_sent_under_an_older_rule_are_taken_out_for_those_of_the_new_one(
    world: World, tmp_path: Path, two_versions: tuple[dict[str, Any], dict[str, Any]], kind: str
) -> None:
    """A changed way of hashing is a change of key for everybody, and no mass exit: no guard holds it."""
    old, new = (KINDS[kind] | version for version in two_versions)
    people = [Person(f"p{i}", f"p{i}@shop.test", f"+1202555{i:04d}" if i % 2 else None) for i in range(30)]
    guarded = audience(guards=Guards())
    world.people(people)
    assert world.sync(guarded, Tool(tmp_path / "t.sqlite", **old)).status == "synced"
    changed = Tool(tmp_path / "t.sqlite", **new)
    report = world.sync(guarded, changed)
    assert (report.status, report.added, report.removed, report.remote) == ("synced", 30, 30, 30)
    assert changed.held() == sent(2, *people)
    assert world.sync(guarded, changed).requests == 0


def test_nobody_is_out_of_the_audience_while_a_rule_changes(
    world: World, tmp_path: Path, two_versions: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """The new keys are added and confirmed before the old ones go: where they are not, the old ones stay."""

    class Mute(Tool):
        def apply(self, batch: Batch) -> Receipt:
            raise TransientError("busy")

    old, new = (KINDS["whole_row"] | version for version in two_versions)
    people = [ANN, BOB]
    world.people(people)
    world.sync(audience(), Tool(tmp_path / "t.sqlite", **old))
    report = world.sync(audience(), Mute(tmp_path / "t.sqlite", **new))
    changed = Tool(tmp_path / "t.sqlite", **new)
    assert (report.status, report.removed, changed.held()) == ("partial", 0, sent(1, *people))
    assert (world.sync(audience(), changed).status, changed.held()) == ("synced", sent(2, *people))


@pytest.mark.also_on_spark("audiences/blocked_as_sent")
def test_a_key_of_an_older_rule_is_denied_like_one_of_todays(
    world: World, tmp_path: Path, two_versions: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """An address suppressed in one channel blocks itself, not its owner: also in the form it was once sent in."""
    old, new = (KINDS["whole_row"] | version for version in two_versions)
    world.people([ANN, BOB])
    world.sync(audience(), Tool(tmp_path / "t.sqlite", **old))
    world.suppress([("email", A, "ads", "complained")])
    changed = Tool(tmp_path / "t.sqlite", **new)
    world.sync(audience(), changed)
    assert [row["cause"] for row in world.rows("plan_rows", "cause")].count("suppressed") == 1
    assert sent(1, ANN).isdisjoint(changed.held())


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


def test_a_tool_that_takes_no_attributes_is_sent_no_message(world: World, tool: Tool) -> None:
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


def test_memberships_that_lapse_are_sent_again_in_time(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = Tool(tmp_path / "t.sqlite", expires_after_days=30)
    world.people([ANN])
    late = audience(max_age_hours=10_000)
    world.sync(late, tool)
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-20T06:00:00+00:00")
    assert world.sync(late, tool).requests == 0
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-26T06:00:00+00:00")
    assert world.sync(late, tool).updated == 1
    assert world.sync(late, tool).requests == 0


def test_members_a_version_with_rules_named_by_vendor_sent_are_unchanged(world: World, tmp_path: Path) -> None:
    """A key is a digest of the values as sent, not of the rules' names: what that version left is neither sent nor removed."""
    email, phone = (
        "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79",
        "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e",
    )
    left = {
        "audience": "shoppers", "key": "fca9672cc1420f8b03f072f4c224cc1e",
        "identifiers": f'{{"EMAIL":"{email}","PHONE":"{phone}"}}', "owners": ["mary"], "vendor_id": None,
        "payload_hash": "e3b0c44298fc1c149afbf4c8996fb924", "state": "confirmed", "refused": None, "since": BEFORE,
        "refreshed_at": BEFORE, "digest": "d" * 32,
    }  # fmt: skip
    tool = Tool(tmp_path / "hashed.sqlite", identifiers=HASHED)
    world.people([Person("mary", "mary@example.com", "+15559876543")])
    world.write("audience_members", [left], {"audience": ["shoppers"]})
    report = world.sync(audience(), tool)
    assert (report.status, report.unchanged, report.requests, tool.calls()) == ("synced", 1, 0, [])
