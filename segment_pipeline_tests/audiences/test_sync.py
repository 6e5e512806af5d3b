"""From people to what the tool holds: literal people in, the tool's rows and the report's numbers out."""

from typing import Any

import pytest

from segment_pipeline.audiences import plan, run
from segment_pipeline.audiences.decision import Decision, decide
from segment_pipeline.audiences.sync import plan_only
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import Person, World, audience

ANN = Person("p-ann", "ann@shop.test", "+12025550101")
BOB = Person("p-bob", "bob@shop.test", None)
CAT = Person("p-cat", None, "+12025550103")
DAN = Person("p-dan", "dan@shop.test", "+12025550104", consent=None)


def test_members_with_consent_reach_the_tool_and_the_report_adds_up(world: World, tool: Tool) -> None:
    world.people([ANN, BOB, CAT, DAN])
    report = world.sync(audience(), tool)
    assert report.reasons == ()
    assert tool.held() == {("ann@shop.test", "+12025550101"), ("bob@shop.test", None), (None, "+12025550103")}
    assert (report.status, report.candidates, report.ineligible["no_consent"], report.eligible) == ("synced", 4, 1, 3)
    assert (report.desired, report.added, report.remote, report.requests) == (3, 3, 3, 1)


def test_who_should_be_in_a_new_audience_is_worked_out_once(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the tool has it from then on changes nothing about who should be in it."""
    decided = []

    def counted(*asked: Any) -> Decision:
        decided.append(asked)
        return decide(*asked)

    monkeypatch.setattr(run, "decide", counted)
    world.people([ANN, BOB])
    assert world.sync(audience(), tool).added == 2
    assert len(decided) == 1
    assert world.sync(audience(), tool).requests == 0
    world.people([ANN, CAT])
    assert world.sync(audience(), tool).added == 1
    assert len(decided) == 3


def test_a_second_run_sends_and_writes_nothing(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    world.sync(audience(), tool)
    tables = ("plan_rows", "audience_members", "claims", "assignments")
    calls, versions = tool.calls(), [world.lake.version(name) for name in tables]
    report = world.sync(audience(), tool)
    assert (tool.calls(), [world.lake.version(name) for name in tables]) == (calls, versions)
    assert (report.status, report.unchanged, report.requests, report.remote) == ("synced", 2, 0, 2)


def test_a_leave_is_removed(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    world.sync(audience(), tool)
    world.members([BOB.profile_id])
    report = world.sync(audience(), tool)
    assert tool.held() == {("bob@shop.test", None)}
    assert (report.unchanged, report.removed, report.leaving, report.remote) == (1, 1, 1, 1)


def test_where_nothing_changed_the_plan_is_empty_and_was_not_worked_out(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key the tool refused lately and one that is forgotten are no changes either."""
    tool.refuses = frozenset({"bob@shop.test"})
    world.people([ANN, BOB])
    assert world.sync(audience(), tool).rejected == 1
    worked = []
    monkeypatch.setattr(plan, "_define_changes", lambda *asked, **_: worked.append(asked))
    shown: list[list[dict[str, Any]]] = []
    of = world.round([audience()], {"tool": tool})
    [report] = plan_only(of, look=lambda session: shown.append(session.rows("SELECT * FROM planned")))
    assert (report.status, report.unchanged, report.rejected, report.leaving, shown) == ("planned", 1, 1, 0, [[]])
    world.people([ANN])
    assert world.sync(audience(), tool).desired == 1
    assert not worked
