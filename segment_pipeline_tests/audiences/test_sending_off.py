"""Sending is off until a person switches it on: plans are made and shown, and nothing at all reaches a tool."""

from dataclasses import replace

import pytest

from segment_pipeline.audiences.sync import approve, resend
from segment_pipeline.errors import ConfigError
from segment_pipeline.settings import Settings
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import BEFORE, LATER, Person, World, audience

ANN, BOB = Person("ann", "ann@shop.test"), Person("bob", "bob@shop.test", "+12025550102")
LEFT_BEHIND = ("plan_rows", "audience_members", "claims", "assignments")


def switched_off(world: World) -> None:
    world.settings = replace(world.settings, sending=False)


def test_it_is_off_unless_it_is_said_and_nothing_but_on_or_off_is_understood() -> None:
    assert not Settings.from_env({}).sending
    assert Settings.from_env({"SEGMENT_PIPELINE_SENDING": "on"}).sending
    with pytest.raises(ConfigError, match="SEGMENT_PIPELINE_SENDING is neither on nor off"):
        Settings.from_env({"SEGMENT_PIPELINE_SENDING": "yes"})


def test_off_shows_what_would_be_sent_and_touches_neither_tool_nor_memory(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    switched_off(world)
    report = world.sync(audience(), tool)
    assert (report.status, report.desired, report.added, report.requests) == ("off", 2, 2, 0)
    assert tool.calls() == []
    assert [world.rows(name) for name in LEFT_BEHIND] == [[], [], [], []]
    world.settings = replace(world.settings, sending=True)
    assert (world.sync(audience(), tool).status, len(tool.held())) == ("synced", 2)


@pytest.mark.also_on_spark("audiences/denials_waiting")
def test_off_stops_denials_too_and_says_how_many_wait_and_since_when(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    world.sync(audience(), tool)
    before = tool.calls()
    switched_off(world)
    assert (world.sync(audience(), tool).denials, world.sync(audience(), tool).denied_since) == (0, None)
    world.people([ANN, replace(BOB, consent=False, said=LATER)])
    report = world.sync(audience(), tool)
    assert (report.status, report.removed, report.denials, report.denied_since) == ("off", 1, 1, LATER)
    world.suppress([("email", "ann@shop.test", "*", "complained")])
    report = world.sync(audience(), tool)
    assert (report.denials, report.denied_since) == (2, BEFORE)
    assert tool.calls() == before
    assert len(tool.held()) == 2


def test_who_merely_leaves_is_no_denial(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    world.sync(audience(), tool)
    world.members([ANN.profile_id])
    switched_off(world)
    report = world.sync(audience(), tool)
    assert (report.removed, report.denials, report.denied_since) == (1, 0, None)


def test_off_sends_no_plan_that_is_approved(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    switched_off(world)
    with pytest.raises(ConfigError, match="sending is off here, plan abc stays held: set SEGMENT_PIPELINE_SENDING=on"):
        approve(world.round([audience()], {"tool": tool}), "abc")
    assert tool.calls() == []


def test_off_nothing_is_resent_and_no_audience_is_made_anew(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    switched_off(world)
    report = resend(world.round([audience()], {"tool": tool}), "shoppers")
    assert (report.status, report.desired, tool.calls()) == ("off", 2, [])


def test_consents_are_still_refreshed_so_that_what_waits_is_known(world: World, tool: Tool) -> None:
    world.people([ANN])
    switched_off(world)
    asked = []
    world.sync(audience(), tool, refresh_consents=lambda: asked.append(1))
    assert asked == [1]
