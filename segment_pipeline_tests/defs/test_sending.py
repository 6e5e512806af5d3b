"""Audiences as Dagster runs them: off, nothing is sent and the page, a check and an alert say what waits; on, the page has the numbers."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.definitions import build_definitions
from segment_pipeline.segments.rules import Segment, trait
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import LATER, NOW, Person, World, audience
from segment_pipeline_tests.scripted_server import ScriptedServer, answer

ANN, BOB = Person("ann", "ann@shop.test"), Person("bob", "bob@shop.test")
SHOPPERS = Segment("shoppers", owner="team:crm", goal="orders", description="d", where=trait("orders_total") > 1)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", NOW)
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    made = World(tmp_path)
    made.lake.fix(timezone="UTC", base_currency="USD")
    made.people([ANN, BOB])
    yield made
    made.ledger.close()


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path / "tool.sqlite")


@pytest.fixture
def webhook() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.play(answer(200))
    yield server
    server.stop()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def definitions(world: World, tool: Tool, **settings: Any) -> dg.Definitions:
    ours = Catalogue(sources=(), destinations=(tool,), segments=(SHOPPERS,), audiences=(audience(owner="team:ads"),))
    return build_definitions(ours, replace(world.settings, **settings))


def sync(built: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return built.resolve_job_def("sync").execute_in_process(instance=instance, raise_on_error=False)


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [event] = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def check(result: dg.ExecuteInProcessResult) -> tuple[bool, dict[str, Any]]:
    [found] = result.get_asset_check_evaluations()
    return found.passed, {name: value.value for name, value in found.metadata.items()}


def alerts(webhook: ScriptedServer) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, _, body in webhook.seen]


def test_the_numbers_people_look_for_are_on_top_and_can_be_plotted(
    world: World, tool: Tool, instance: dg.DagsterInstance
) -> None:
    result = sync(definitions(world, tool), instance)
    assert result.success
    numbers = shown(result)
    assert list(numbers)[:5] == ["eligible", "added", "removed", "held", "why"]
    assert [numbers[name] for name in ("eligible", "added", "removed", "held", "why")] == [2, 2, 0, 0, "sent"]
    assert (numbers["desired"], numbers["unchanged"], numbers["remote"]) == (2, 0, 2)
    assert not {"uncertain", "rejected", "ineligible_erased"} & set(numbers), "what is 0 as a rule is left out"
    assert check(result) == (True, {"waiting": 0, "since": "none"})


def test_an_audience_shows_who_owns_it_and_what_its_tool_is_sent(world: World, tool: Tool) -> None:
    [spec] = [s for s in definitions(world, tool).resolve_all_asset_specs() if s.group_name == "audiences"]
    assert list(spec.owners) == ["team:ads"]
    assert [column.name for column in spec.metadata["dagster/column_schema"].columns] == ["email", "phone"]


def test_off_the_job_shows_the_plan_and_sends_nothing(world: World, tool: Tool, instance: dg.DagsterInstance) -> None:
    result = sync(definitions(world, tool, sending=False), instance)
    assert result.success
    numbers = shown(result)
    assert (numbers["status"], numbers["added"], numbers["why"]) == ("off", 2, "nothing was sent: sending is off")
    assert tool.calls() == []


def test_off_a_check_and_an_alert_say_how_many_denials_wait_and_since_when(
    world: World, tool: Tool, instance: dg.DagsterInstance, webhook: ScriptedServer
) -> None:
    sync(definitions(world, tool), instance)
    world.people([ANN, replace(BOB, consent=False, said=LATER)])
    off = definitions(world, tool, sending=False, alert_url=webhook.url)
    result = sync(off, instance)
    assert result.success
    assert check(result) == (False, {"waiting": 1, "since": "2017-06-01T00:00:00+00:00"})
    assert len(tool.held()) == 2
    sensor = off.resolve_sensor_def("denials_waiting")
    [finished] = [e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_SUCCESS]
    sensor(
        dg.build_run_status_sensor_context(
            sensor_name="denials_waiting",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=finished,
        )
    )
    [told] = alerts(webhook)
    assert told["text"].startswith("sending is off, and denials wait (shoppers: 1 since 2017-06-01T00:00:00+00:00)")
    assert told["denials"] == [{"audience": "shoppers", "keys": 1, "since": "2017-06-01T00:00:00+00:00"}]
    assert told["run_id"] == result.run_id


def test_nothing_is_told_of_a_run_that_left_no_denial(
    world: World, tool: Tool, instance: dg.DagsterInstance, webhook: ScriptedServer
) -> None:
    off = definitions(world, tool, sending=False, alert_url=webhook.url)
    result = sync(off, instance)
    [finished] = [e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_SUCCESS]
    off.resolve_sensor_def("denials_waiting")(
        dg.build_run_status_sensor_context(
            sensor_name="denials_waiting",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=finished,
        )
    )
    assert alerts(webhook) == []


def test_an_alert_of_a_failed_run_has_a_text_and_the_sentence_of_the_step(
    world: World, tool: Tool, instance: dg.DagsterInstance, webhook: ScriptedServer
) -> None:
    world.members([])
    built = definitions(world, tool, alert_url=webhook.url)
    guarded = Catalogue(
        sources=(), destinations=(tool,), segments=(SHOPPERS,),
        audiences=(audience(guards=replace(audience().guards, allow_empty=False)),),
    )  # fmt: skip
    built = build_definitions(guarded, replace(world.settings, alert_url=webhook.url))
    result = sync(built, instance)
    assert not result.success
    [failed] = [e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_FAILURE]
    built.resolve_sensor_def("failures")(
        dg.build_run_status_sensor_context(
            sensor_name="failures", dagster_instance=instance, dagster_run=result.dagster_run, dagster_event=failed
        ).for_run_failure()
    )
    [told] = alerts(webhook)
    assert told["text"].startswith("sync failed: ")
    assert "sync_shoppers: held, nothing but denials was sent: empty_result" in told["text"]
    assert (told["job"], told["run_id"]) == ("sync", result.run_id)
