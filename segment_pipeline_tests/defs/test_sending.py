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
from segment_pipeline.defs.runs import RunFailed, run
from segment_pipeline.delivery.destination import Batch, Operation, Receipt
from segment_pipeline.demo import _failed
from segment_pipeline.errors import TransientError
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
    made.definition = Catalogue(sources=(), destinations=(), segments=(SHOPPERS,)).definition("shoppers")
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


def check(result: dg.ExecuteInProcessResult, name: str = "denials_are_sent") -> tuple[bool, dict[str, Any]]:
    [found] = [each for each in result.get_asset_check_evaluations() if each.check_name == name]
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
    how_long = "the oldest since 2017-06-01 00:00 UTC (30 days)"
    since = {"since": "2017-06-01T00:00:00+00:00", "how_long": how_long, "why": "sending is off"}
    assert check(result) == (False, {"waiting": 1, **since})
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
    assert told["text"].startswith(f"denials wait (shoppers: 1, {how_long}: sending is off)")
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
    sync(definitions(world, tool), instance)
    world.members([])
    guarded = Catalogue(
        sources=(), destinations=(tool,), segments=(SHOPPERS,),
        audiences=(audience(guards=replace(audience().guards, allow_empty=False, removal_keys=1)),),
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


class Deaf(Tool):
    """Takes nobody out: busy, or for good."""

    for_good = False

    def apply(self, batch: Batch) -> Receipt:
        if batch.operation is Operation.UPSERT:
            return super().apply(batch)
        if self.for_good:
            return Receipt(accepted=0, rejected=dict.fromkeys(batch.rows.column("key").to_pylist(), "too_few_left"))
        raise TransientError("the tool was busy (HTTP 503)")


@pytest.mark.parametrize("for_good", [False, True])
def test_a_denial_the_tool_does_not_take_fails_its_check_and_its_run_and_is_told(
    world: World, tmp_path: Path, instance: dg.DagsterInstance, webhook: ScriptedServer, for_good: bool
) -> None:
    """A busy vendor with a withdrawal waiting was green and told nobody (keboola 745)."""
    tool = Deaf(tmp_path / "tool.sqlite")
    tool.for_good = for_good
    built = definitions(world, tool, alert_url=webhook.url)
    sync(built, instance)
    world.people([ANN, replace(BOB, consent=False, said=LATER)])
    result = sync(built, instance)
    assert not result.success
    passed, said = check(result)
    assert (passed, said["waiting"], said["why"]) == (False, 1, "tool did not take them")
    assert not check(result, "all_is_taken")[0]
    [failed] = [e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_FAILURE]
    built.resolve_sensor_def("failures")(
        dg.build_run_status_sensor_context(
            sensor_name="failures", dagster_instance=instance, dagster_run=result.dagster_run, dagster_event=failed
        ).for_run_failure()
    )
    [told] = alerts(webhook)
    assert (
        "denials wait: shoppers: 1, the oldest since 2017-06-01 00:00 UTC (30 days): tool did not take them"
        in told["text"]
    )
    assert told["denials"] == [{"audience": "shoppers", "keys": 1, "since": "2017-06-01T00:00:00+00:00"}]


def test_who_left_and_is_not_let_go_warns_on_a_check(
    world: World, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    tool = Deaf(tmp_path / "tool.sqlite")
    tool.for_good = True
    built = definitions(world, tool)
    sync(built, instance)
    world.members([ANN.profile_id])
    result = sync(built, instance)
    assert result.success
    assert (check(result)[0], check(result, "all_is_taken")) == (True, (False, {"uncertain": 0, "refused": 1}))
    assert shown(result)["why"] == "sent, but the tool does not let go of people who left; removals_refused"


def test_a_held_audience_costs_the_report_of_the_others_nothing(
    world: World, tool: Tool, instance: dg.DagsterInstance
) -> None:
    """A cart reminder that all six left was held, and the day's report was not written: the others were synced."""
    strict = replace(audience().guards, allow_empty=False, removal_keys=1)
    both = (audience(name="held", guards=strict), audience(name="other"))
    ours = Catalogue(sources=(), destinations=(tool,), segments=(SHOPPERS,), audiences=both)
    built, keys = build_definitions(ours, world.settings), [dg.AssetKey(["audiences", one.name]) for one in both]
    run(built.resolve_job_def("sync"), instance, keys)
    world.members([])
    with pytest.raises(RunFailed, match="held, nothing but denials was sent: empty_result"):
        run(built.resolve_job_def("sync"), instance, keys)
    [(name, failed)] = _failed(instance, 1).items()
    assert (name, failed.numbers["status"], failed.numbers["unchanged"]) == ("held", "held", 0)
    assert (failed.numbers["held"], failed.numbers["remote"]) == (0, 2)
    event = instance.get_latest_materialization_event(keys[1])
    assert event is not None
    assert event.run_id != run_of_first(instance, keys[0])


def run_of_first(instance: dg.DagsterInstance, key: dg.AssetKey) -> str:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    return event.run_id
