"""Who may be sent to, in the order the reasons apply, on hand-made people."""

from datetime import UTC, datetime

import pytest

from segment_pipeline.audiences.audience import Holdout, Priority
from segment_pipeline.audiences.eligibility import threshold_of
from segment_pipeline.audiences.sync import plan_only, sync
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import BEFORE, LATER, Person, World, audience, open_guards, statement_of

A, P = "ann@shop.test", "+12025550101"


def test_each_reason_is_counted_in_its_order(world: World, tool: Tool) -> None:
    world.people(
        [
            Person("ok", "ok@shop.test"),
            Person("erased", "gone@shop.test", consent=False),
            Person("competitor", "rival@shop.test", consent=False),
            Person("denied", "no@shop.test", consent=False),
            Person("silent", "silent@shop.test", consent=None),
            Person("nothing"),
            Person("no_consent_no_identifier", consent=None),
        ]
    )
    world.suppress([("email", "gone@shop.test", "*", "erased"), ("email", "rival@shop.test", "*", "competitor")])
    report = world.sync(audience(), tool)
    assert report.ineligible == {
        "erased": 1, "suppressed": 1, "no_consent": 3, "no_identifier": 1, "claimed": 0, "holdout": 0, "over_limit": 0,
    }  # fmt: skip
    assert (report.candidates, report.eligible) == (7, 1)
    assert tool.held() == {("ok@shop.test", None)}


def test_a_member_nobody_knows_any_more_is_not_sent(world: World, tool: Tool) -> None:
    world.people([Person("ok", "ok@shop.test")])
    world.members(["ok", "vanished"])
    assert world.sync(audience(), tool).ineligible["no_consent"] == 1


@pytest.mark.parametrize(
    ("statements", "held"),
    [
        pytest.param([("email", A, "granted", BEFORE)], {(A, P)}, id="ads: a grant on the address covers the person's phone"),
        pytest.param([("email", A, "granted", BEFORE), ("email", A, "denied", BEFORE)], set(), id="denied wins ties"),
        pytest.param([("email", A, "denied", BEFORE), ("email", A, "granted", LATER)], {(A, P)}, id="newest wins"),
        pytest.param([("email", A, "granted", BEFORE), ("phone", P, "denied", LATER)], set(), id="a newer denial on any identifier"),
        pytest.param([("phone", P, "denied", BEFORE), ("email", A, "granted", LATER)], {(A, None)}, id="an older denial keeps its identifier out"),
        pytest.param([], set(), id="nobody said anything: default deny"),
    ],
)  # fmt: skip
def test_ads_consent_by_identifier(
    world: World, tool: Tool, statements: list[tuple[str, str, str, datetime]], held: set[tuple[str | None, str | None]]
) -> None:
    world.people([Person("ann", A, P, consent=None)], extra_consents=[statement_of(*s) for s in statements])
    world.sync(audience(), tool)
    assert tool.held() == held


def test_consent_for_another_channel_or_purpose_is_no_consent(world: World, tool: Tool) -> None:
    others = [
        statement_of("email", A, "granted", channel="email"),
        statement_of("email", A, "granted", purpose="analytics"),
    ]
    world.people([Person("ann", A, consent=None)], extra_consents=others)
    assert world.sync(audience(), tool).ineligible["no_consent"] == 1


def test_an_email_grant_does_not_cover_the_phone_in_an_address_channel(world: World, tool: Tool) -> None:
    world.people(
        [Person("ann", A, P, consent=None), Person("bob", "bob@shop.test", "+12025550102")],
        channel="email",
        extra_consents=[statement_of("email", A, "granted", channel="email")],
    )
    world.sync(audience(channel="email"), tool)
    assert tool.held() == {(A, None), ("bob@shop.test", "+12025550102")}, "an account's grant covers both"


def test_one_owners_denial_keeps_a_shared_phone_out_for_all(world: World, tool: Tool) -> None:
    world.people([Person("ann", A, P), Person("bob", "bob@shop.test", P, consent=False, member=False)])
    world.sync(audience(), tool)
    assert tool.held() == {(A, None)}


def test_a_grant_on_a_shared_phone_covers_the_phone_and_not_the_addresses(world: World, tool: Tool) -> None:
    world.people(
        [Person("ann", A, P, consent=None), Person("bob", "bob@shop.test", P, consent=None)],
        extra_consents=[statement_of("phone", P, "granted")],
    )
    report = world.sync(audience(), tool)
    assert tool.held() == {(None, P)}
    assert (report.eligible, report.desired) == (2, 1)


def test_a_suppressed_address_leaves_the_phone(world: World, tool: Tool) -> None:
    world.people([Person("ann", A, P), Person("bob", "bob@shop.test")])
    world.suppress([("email", A, "ads", "bounced"), ("email", "bob@shop.test", "ads", "bounced")])
    report = world.sync(audience(), tool)
    assert tool.held() == {(None, P)}
    assert report.ineligible["suppressed"] == 1


def test_identifiers_shared_by_too_many_are_neither_sent_nor_evidence(world: World, tool: Tool) -> None:
    world.people([Person("ann", A, P, consent=None)], extra_consents=[statement_of("phone", P, "granted")])
    rows = world.rows("profile_identifiers")
    world.write("profile_identifiers", [r | {"usable": r["identifier"] != P} for r in rows])
    assert world.sync(audience(), tool).ineligible["no_consent"] == 1


def test_the_golden_address_is_sent_and_the_next_best_where_it_may_not_be(world: World, tool: Tool) -> None:
    world.people([Person("ann", A)])
    rows = world.rows("profile_identifiers")
    newer = rows[0] | {"identifier_type": "email", "identifier": "new@shop.test", "last_seen_at": LATER}
    world.write("profile_identifiers", [*rows, newer])
    world.sync(audience(), tool)
    assert tool.held() == {(A, None)}
    world.suppress([("email", A, "ads", "bounced")])
    world.sync(audience(), tool)
    assert tool.held() == {("new@shop.test", None)}


@pytest.mark.parametrize("members", [["ann", "old-ann", "older-ann"], ["old-ann", "older-ann"], ["older-ann"]])
def test_a_person_in_the_segment_under_several_ids_is_one(world: World, tool: Tool, members: list[str]) -> None:
    world.people([Person("ann", A)])
    world.members(members)
    world.alias([("old-ann", "ann"), ("older-ann", "ann")])
    report = world.sync(audience(), tool)
    assert (report.candidates, report.eligible, tool.held()) == (1, 1, {(A, None)})


def test_two_addresses_of_which_one_is_granted_send_that_one(world: World, tool: Tool) -> None:
    """In an address channel a grant is about the address it names, not about whichever of the person's is golden."""
    granted = statement_of("email", "new@shop.test", "granted", channel="email")
    world.people([Person("ann", A, consent=None)], channel="email", extra_consents=[granted])
    [row] = [r for r in world.rows("profile_identifiers") if r["identifier_type"] == "email"]
    world.write("profile_identifiers", [row, row | {"identifier": "new@shop.test"}])
    world.sync(audience(channel="email"), tool)
    assert tool.held() == {("new@shop.test", None)}


@pytest.mark.also_on_spark(
    "audiences/drawn", "audiences/holders", "audiences/kept_members", "audiences/variants", "audiences/verdicts"
)
def test_holdouts_are_drawn_once_and_follow_the_person_through_an_alias(world: World, tool: Tool) -> None:
    people = [Person(f"p{i}", f"p{i}@shop.test") for i in range(40)]
    world.people(people)
    tested = audience(holdout=Holdout("welcome", 0.25))
    report = world.sync(tested, tool)
    held, drawn = tool.held(), {r["profile_id"]: r["variant"] for r in world.rows("assignments")}
    assert report.ineligible["holdout"] == sum(v == "holdout" for v in drawn.values()) > 0
    assert len(drawn) == 40
    renamed = [Person(f"n{i}", f"p{i}@shop.test") for i in range(40)]
    world.people(renamed)
    world.members([p.profile_id for p in people])
    world.alias([(f"p{i}", f"n{i}") for i in range(40)])
    calls = tool.calls()
    again = world.sync(tested, tool)
    assert (again.unchanged, again.requests, again.ineligible) == (report.added, 0, report.ineligible)
    assert (tool.held(), tool.calls()) == (held, calls)
    assert len(world.rows("assignments")) == 40
    assert {o for r in world.rows("audience_members", "owners") for o in r["owners"]} <= {p.profile_id for p in renamed}


def test_shares_are_compared_as_digests_in_text() -> None:
    assert threshold_of(0.0) == "00000000"
    assert threshold_of(0.5) == "80000000"
    assert threshold_of(1.0) > "ffffffff"


def test_a_limit_keeps_who_is_there_before_who_is_new(world: World, tool: Tool) -> None:
    world.people([Person(f"p{i}", f"p{i}@shop.test") for i in range(4)])
    world.sync(audience(limit=4), tool)
    first = tool.held()
    world.people([Person(f"p{i}", f"p{i}@shop.test") for i in range(12)])
    report = world.sync(audience(limit=5), tool)
    assert first < tool.held()
    assert (report.ineligible["over_limit"], report.unchanged, report.added) == (7, 4, 1)


def test_a_person_is_in_one_audience_of_a_priority_group(world: World, tool: Tool) -> None:
    world.people([Person("ann", A), Person("bob", "bob@shop.test")])
    world.members(["ann"], segment="vip")
    both = [{"as_of": world.day, "segment": s, "definition_hash": "h", "profile_id": p} for s, p in (("vip", "ann"), ("shoppers", "ann"), ("shoppers", "bob"))]  # fmt: skip
    world.write("memberships", both)
    world.write("segment_sizes", [{"as_of": world.day, "segment": s, "definition_hash": "h", "size": 1, "population": 9, "inputs": "{}"} for s in ("vip", "shoppers")])  # fmt: skip
    low = audience(priority=Priority("crm", 2))
    high = audience(name="vips", segment="vip", priority=Priority("crm", 1))
    reports = sync(world.round([low, high], {"tool": tool}))
    assert [(r.audience, r.added, r.ineligible["claimed"]) for r in reports] == [("vips", 1, 0), ("shoppers", 1, 1)]
    assert world.sync(low, tool).ineligible["claimed"] == 0, "alone in its catalogue nobody claims"


def test_claims_hold_even_when_the_lower_audience_is_synced_first_and_alone(world: World, tool: Tool) -> None:
    world.people([Person("ann", A), Person("bob", "bob@shop.test")])
    both = [audience(priority=Priority("crm", 2)), audience(name="vips", limit=1, priority=Priority("crm", 1))]
    [low] = sync(world.round(both, {"tool": tool}), only=["shoppers"])
    [high] = sync(world.round(both, {"tool": tool}), only=["vips"])
    assert (low.added, low.ineligible["claimed"], high.added) == (1, 1, 1)
    assert tool.held("1") | tool.held("2") == {(A, None), ("bob@shop.test", None)}
    again = sync(world.round(both, {"tool": tool}))
    assert [(r.unchanged, r.requests) for r in again] == [(1, 0), (1, 0)]


@pytest.mark.also_on_spark("audiences/claimed")
def test_a_held_audience_keeps_its_last_claims(world: World, tool: Tool) -> None:
    world.people([Person(f"p{i}", f"p{i}@shop.test") for i in range(3)])
    guarded = open_guards().__class__(minimum=3)
    high = audience(name="vips", priority=Priority("crm", 1), guards=guarded)
    low = audience(priority=Priority("crm", 2))
    sync(world.round([low, high], {"tool": tool}))
    world.members(["p0"])
    reports = sync(world.round([low, high], {"tool": tool}))
    assert [(r.audience, r.status, r.ineligible["claimed"]) for r in reports] == [
        ("vips", "held", 0),
        ("shoppers", "synced", 1),
    ]
    assert {r["profile_id"] for r in world.rows("claims") if r["audience"] == "vips"} == {"p0", "p1", "p2"}


def test_a_dry_run_shows_the_numbers_and_leaves_nothing_behind(world: World, tool: Tool) -> None:
    world.people([Person(f"p{i}", f"p{i}@shop.test") for i in range(10)])
    dry = audience(holdout=Holdout("welcome", 0.5))
    [shown] = plan_only(world.round([dry], {"tool": tool}))
    assert (shown.status, shown.added, tool.calls()) == ("planned", shown.desired, [])
    assert [world.rows(t) for t in ("assignments", "plan_rows", "audience_members")] == [[], [], []]
    assert world.sync(dry, tool).added == shown.added


def test_consents_are_refreshed_before_anything_is_decided(world: World, tool: Tool) -> None:
    world.people([Person("ann", A), Person("bob", "bob@shop.test")])

    def refresh() -> None:
        said = statement_of("email", A, "denied", datetime(2017, 6, 30, 23, tzinfo=UTC))
        world.write("consents", [*world.rows("consents"), said])

    world.sync(audience(), tool, refresh_consents=refresh)
    assert tool.held() == {("bob@shop.test", None)}
