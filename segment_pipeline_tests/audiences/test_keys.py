"""Destination keys: shared identifiers, changed identifiers, owners; on both kinds of tool."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline import identifiers
from segment_pipeline.audiences import shape
from segment_pipeline.audiences.audience import Guards
from segment_pipeline.delivery.destination import Batch, IdentifierRule, Receipt
from segment_pipeline.errors import TransientError
from segment_pipeline.identifiers import RULES
from segment_pipeline.match_keys import Rule
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
