"""What stops a plan, what never does, and how a held one is sent after all."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from segment_pipeline.audiences.audience import Guards, SegmentToday
from segment_pipeline.audiences.plan import Comparison, guard_reasons
from segment_pipeline.audiences.sync import approve, plan_only
from segment_pipeline.errors import ConfigError, GuardTripped
from segment_pipeline_tests.audiences.tool import Tool, capabilities
from segment_pipeline_tests.audiences.world import Person, World, audience, statement_of

PEOPLE = [Person(f"p{i}", f"p{i}@shop.test") for i in range(60)]
GUARDED = audience(guards=Guards())


@pytest.mark.parametrize(
    ("held", "exits", "reasons"),
    [
        (100, 20, []),
        (100, 21, ["removals"]),
        (1000, 200, []),
        (1000, 201, ["removals"]),
        (30, 20, []),
        (10_000, 500, []),
        (10_000, 501, ["removals"]),
        (20_000, 1000, []),
        (20_000, 1001, ["removals"]),
    ],
)
def test_removals_trip_by_share_and_number(held: int, exits: int, reasons: list[str]) -> None:
    assert guard_reasons(Guards(), capabilities(), Comparison(desired=held, held_before=held, exits=exits)) == reasons


def test_small_and_empty_results_trip() -> None:
    assert guard_reasons(Guards(), capabilities(), Comparison(held_before=21)) == ["empty_result"]
    assert guard_reasons(Guards(), capabilities(minimum_size=100), Comparison(desired=99)) == ["under_minimum"]
    assert guard_reasons(Guards(minimum=50), capabilities(minimum_size=100), Comparison(desired=99)) == []


@pytest.mark.parametrize("held", [0, 6, 20])
def test_emptying_a_small_audience_is_an_ordinary_day(held: int) -> None:
    """The six people of a cart reminder all left on one day, were held, and stayed in the tool: so few may leave on any day."""
    gone = Comparison(held_before=held, exits=held)
    assert guard_reasons(Guards(), capabilities(minimum_size=100), gone) == []
    assert guard_reasons(Guards(removal_keys=5), capabilities(), gone) == (
        ["removals", "empty_result"] if held > 5 else []
    )


def test_the_last_of_a_small_audience_leave_the_tool(world: World, tool: Tool) -> None:
    world.people(PEOPLE[:6])
    world.sync(GUARDED, tool)
    world.members([])
    report = world.sync(GUARDED, tool)
    assert (report.status, report.removed, report.desired, report.remote, tool.held()) == ("synced", 6, 0, 0, set())


def test_a_segment_that_means_something_else_than_when_it_was_evaluated_is_held(world: World, tool: Tool) -> None:
    """Its memberships of yesterday are those of another rule; denials leave all the same, and evaluating the day again frees it."""
    today = audience(today=SegmentToday(definition="new"))
    world.people(PEOPLE[:6])
    world.sync(audience(), tool)
    world.people([replace(PEOPLE[0], consent=False), *PEOPLE[1:6]])
    world.members([PEOPLE[1].profile_id])
    [shown] = plan_only(world.round([today], {"tool": tool}))
    report = world.sync(today, tool)
    assert (shown.status, shown.reasons) == ("held", report.reasons), "a plan says what the sync says"
    assert (report.status, report.removed, report.held_removals, len(tool.held())) == ("held", 1, 5, 5)
    [reason] = report.reasons
    assert reason.startswith(
        "changed_segment: segment shoppers means something else than when it was evaluated for 2017-06-30"
    )
    assert reason.endswith("`segment-pipeline refresh --day 2017-06-30` evaluates the day again")
    world.definition = "new"
    world.members([PEOPLE[1].profile_id])
    assert (world.sync(today, tool).status, len(tool.held())) == ("synced", 1)


def test_a_held_plan_sends_nothing_and_is_sent_once_approved(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    world.sync(GUARDED, tool)
    world.people([*PEOPLE, Person("new", "new@shop.test")])
    world.members([*(p.profile_id for p in PEOPLE[:30]), "new"])
    calls = tool.calls()
    report = world.sync(GUARDED, tool)
    assert (report.status, report.reasons, tool.calls()) == ("held", ("removals",), calls)
    assert (report.unchanged, report.held, report.held_removals, report.removed, report.remote) == (30, 1, 30, 0, 60)
    assert world.sync(GUARDED, tool).digests == report.digests, "the same plan has the same digest"
    # Meanwhile one more joins and one more leaves: neither was shown to whom approves.
    world.people([*PEOPLE, Person("new", "new@shop.test"), Person("newer", "newer@shop.test")])
    world.members([*(p.profile_id for p in PEOPLE[1:30]), "new", "newer"])
    sent = approve(world.round([GUARDED], {"tool": tool}), report.digests[-1])
    assert (sent.status, sent.added, sent.removed, sent.held, sent.held_removals) == ("synced", 1, 30, 1, 1)
    assert sent.remote == 31
    after = world.sync(GUARDED, tool)
    assert (after.added, after.removed, after.remote) == (1, 1, 31)
    with pytest.raises(ConfigError, match="no plan with digest"):
        approve(world.round([GUARDED], {"tool": tool}), report.digests[-1])


def test_an_approved_plan_of_which_nothing_was_sent_can_be_held_again(world: World, tool: Tool) -> None:
    """Every sync after it failed: the plan was said to have been sent."""
    world.people(PEOPLE)
    world.sync(GUARDED, tool)
    world.members([p.profile_id for p in PEOPLE[:30]])
    report = world.sync(GUARDED, tool)
    world.members([p.profile_id for p in PEOPLE])
    assert approve(world.round([GUARDED], {"tool": tool}), report.digests[-1]).requests == 0
    world.members([p.profile_id for p in PEOPLE[:30]])
    again = world.sync(GUARDED, tool)
    assert (again.status, again.digests) == ("held", report.digests)
    assert approve(world.round([GUARDED], {"tool": tool}), again.digests[-1]).removed == 30
    assert world.sync(GUARDED, tool).requests == 0


def test_a_held_plan_whose_rows_an_older_lake_lacks_is_not_approved(world: World, tool: Tool) -> None:
    """Nothing of it was sent, and it was `synced`."""
    world.people(PEOPLE)
    world.sync(GUARDED, tool)
    rows = world.home / "lake" / "plan_rows"
    shutil.copytree(rows, world.home / "before")
    world.members([p.profile_id for p in PEOPLE[:30]])
    report = world.sync(GUARDED, tool)
    shutil.rmtree(rows)
    shutil.copytree(world.home / "before", rows)
    fresh = world.opened()
    with pytest.raises(ConfigError, match="no longer has the rows of plan"):
        approve(fresh.round([GUARDED], {"tool": tool}), report.digests[-1])
    again = fresh.sync(GUARDED, tool)
    assert (again.status, again.held_removals) == ("held", 30)
    assert approve(fresh.round([GUARDED], {"tool": tool}), again.digests[-1]).removed == 30
    fresh.ledger.close()


def test_an_approval_expires_with_the_memberships(world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    world.people(PEOPLE)
    world.sync(GUARDED, tool)
    world.members([])
    report = world.sync(GUARDED, tool)
    assert report.reasons == ("removals", "empty_result")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-03T06:00:00+00:00")
    with pytest.raises(GuardTripped, match="expired"):
        approve(world.round([GUARDED], {"tool": tool}), report.digests[-1])


def test_denials_go_out_while_the_rest_is_held(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    world.sync(GUARDED, tool)
    denied = [replace(p, consent=False) for p in PEOPLE[:40]]
    world.people([*denied, *PEOPLE[40:], Person("new", "new@shop.test")])
    world.members([p.profile_id for p in PEOPLE[:20]])
    world.suppress([("email", "p59@shop.test", "*", "erased")])
    report = world.sync(GUARDED, tool)
    assert (report.status, report.reasons) == ("held", ("empty_result",))
    assert (report.removed, report.held_removals, report.remote) == (41, 19, 19)
    assert tool.held() == {(p.email, None) for p in PEOPLE[40:59]}
    causes = {r["cause"] for r in world.rows("plan_rows", "cause")}
    assert causes == {"added", "denied", "erased", "left"}


@pytest.mark.parametrize("trouble", ["stale_source", "future_source", "empty_source"])
def test_without_fresh_memberships_only_denials_go_out(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    world.people(PEOPLE[:5])
    world.sync(GUARDED, tool)
    said = statement_of("email", "p0@shop.test", "denied", datetime(2017, 7, 1, tzinfo=UTC))
    world.write("consents", [*world.rows("consents"), said])
    if trouble == "stale_source":
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-03T06:00:00+00:00")
    elif trouble == "future_source":
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-06-29T06:00:00+00:00")
    else:
        world.members([], population=0)
    report = world.sync(GUARDED, tool)
    assert (report.status, report.removed, report.held_removals) == ("held", 1, 4)
    assert [reason.partition(":")[0] for reason in report.reasons] == [trouble.replace("future", "stale")]
    assert len(tool.held()) == 4


def test_a_mass_rekey_is_no_mass_exit(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    world.sync(GUARDED, tool)
    world.people([replace(p, email=f"new-{p.email}") for p in PEOPLE])
    report = world.sync(GUARDED, tool)
    assert (report.status, report.added, report.removed) == ("synced", 60, 60)


def test_a_removal_that_would_leave_too_few_waits_until_there_are_enough(world: World, tool: Tool) -> None:
    tool.smallest = 5
    tool.given = capabilities(minimum_size=5)
    world.people(PEOPLE[:6])
    world.sync(audience(), tool)
    world.members([p.profile_id for p in PEOPLE[:4]])
    report = world.sync(audience(), tool)
    assert (report.remove_rejected, report.reasons, report.remote) == (2, ("removals_refused",), 6)
    again = world.sync(audience(), tool)
    assert (again.requests, again.remove_rejected) == (0, 2), "not tried again while nothing changed"
    world.people(PEOPLE)
    world.members([p.profile_id for p in (*PEOPLE[:4], *PEOPLE[10:20])])
    report = world.sync(audience(), tool)
    assert (report.added, report.removed, report.remove_rejected, report.remote) == (10, 0, 2, 16)


def test_what_a_clock_ahead_saw_refused_is_tried_again(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time in the future is no time: the week in which a refused row rests has not begun."""
    world.people([Person("ann", "ann@shop.test"), Person("bob", "bob@shop.test")])
    tool.refuses = frozenset({"ann@shop.test"})
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-02T20:00:00+00:00")
    assert world.sync(audience(), tool).rejected == 1
    tool.refuses = frozenset()
    assert world.sync(audience(), tool).added == 0
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-01T06:00:00+00:00")
    assert world.sync(audience(), tool).added == 1
