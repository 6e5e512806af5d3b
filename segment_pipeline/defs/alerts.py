"""What is told outside of Dagster: a failed run, and denials that wait. One POST each to the alert webhook.

The body is `{"text": …}`, which Slack and its kin show, with the parts beside it for whoever reads JSON.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from segment_pipeline.defs.failures import quoted
from segment_pipeline.errors import SegmentPipelineError
from segment_pipeline.http import HttpClient
from segment_pipeline.settings import Settings

DENIALS_CHECK = "denials_are_sent"
TAKEN_CHECK = "all_is_taken"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Denials of one audience that its last run did not deliver. `since`: when the oldest was said; "unknown" where nobody can tell.

    `how_long`, `why`: in words.
    """

    audience: str
    keys: int
    since: str
    how_long: str
    why: str

    @property
    def text(self) -> str:
        return f"{self.audience}: {self.keys}, {self.how_long}: {self.why}"


def failures(settings: Settings) -> dg.SensorDefinition:
    """One alert per failed run: job, run, what was said, and denials that wait. Starts running."""

    @dg.run_failure_sensor(
        name="failures",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the alert webhook about failed runs",
    )
    def sensor(context: dg.RunFailureSensorContext) -> None:
        said = [context.failure_event.message or "failed", *_failed_steps(context)]
        waiting = list(_waiting(context))
        text = f"{context.dagster_run.job_name} failed: {'; '.join(said)}"
        if waiting:
            text += f"; denials wait: {'; '.join(each.text for each in waiting)}"
        _post(settings, context, text, error="; ".join(said), waiting=waiting)

    return sensor


def denials_waiting(settings: Settings) -> dg.SensorDefinition:
    """One alert per run that left denials undelivered though nothing failed. Starts running."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="denials_waiting",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the alert webhook how many people's denials wait, and since when",
    )
    def sensor(context: dg.RunStatusSensorContext) -> None:
        waiting = list(_waiting(context))
        if waiting:
            text = (
                f"denials wait ({'; '.join(each.text for each in waiting)}): the people concerned are still in the tools;"
                " set SEGMENT_PIPELINE_SENDING=on or sync again, or take them out there by hand"
            )
            _post(settings, context, text, waiting=waiting)

    return sensor


def _failed_steps(context: dg.RunStatusSensorContext) -> Iterator[str]:
    """Our own sentences about the steps that failed."""
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
    ).records
    for record in records:
        event = record.event_log_entry.get_dagster_event()
        yield f"{event.step_key}: {quoted(event.step_failure_data)}"


def _waiting(context: dg.RunStatusSensorContext) -> Iterator[Waiting]:
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    for record in records:
        found = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
        if found.check_name == DENIALS_CHECK and not found.passed:
            said = {name: value.value for name, value in found.metadata.items()}
            words = (str(said[name]) for name in ("since", "how_long", "why"))
            yield Waiting(found.asset_key.path[-1], int(str(said["waiting"])), *words)


def _post(
    settings: Settings, context: dg.RunStatusSensorContext, text: str, *, waiting: list[Waiting], **more: Any
) -> None:
    run = context.dagster_run
    if not settings.alert_url:
        context.log.error("%s (run %s; no alert URL is set)", text, run.run_id)
        return
    message = {"text": text, "job": run.job_name, "run_id": run.run_id, **more} | (
        {"denials": [{"audience": w.audience, "keys": w.keys, "since": w.since} for w in waiting]} if waiting else {}
    )
    try:
        with HttpClient(settings.alert_url, name="the alert webhook") as client:
            client.request("POST", settings.alert_url, json=message)
    except SegmentPipelineError as error:
        # No traceback: ours is one sentence, and a foreign one may quote what the request held.
        context.log.error("the alert about run %s could not be delivered: %s", run.run_id, error)  # noqa: TRY400
