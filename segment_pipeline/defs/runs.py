"""Dagster's runs as the command line has them: jobs run in this process, quietly, and runs that a crash left behind."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.instance.ref import InstanceRef

from segment_pipeline.days import Window
from segment_pipeline.defs.failures import quoted
from segment_pipeline.errors import ConfigError, SegmentPipelineError

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# Each step would start two processes that copy its output to a file, and print their own traceback when interrupted.
UNCAPTURED = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made of an asset. `rows`: of the range of days asked for, or of its last day; `quarantined`: records refused of it."""

    rows: int
    quarantined: int = 0
    notes: str = ""


class RunFailed(SegmentPipelineError):
    """A step failed; the message carries our own description of why."""


def dagster_instance() -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME; raises ConfigError where none is named, or the one named cannot be opened."""
    home = os.environ.get("DAGSTER_HOME", "")
    if not home:
        raise ConfigError("DAGSTER_HOME is not set: name the folder of the Dagster instance that runs the pipeline")
    if not Path(home).is_absolute() or not Path(home).is_dir():
        raise ConfigError(f"DAGSTER_HOME is {home}, which is not the absolute path of a folder that exists")
    try:
        return dg.DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides=UNCAPTURED))
    except Exception as error:  # noqa: BLE001  a wrong dagster.yaml or a database out of reach, whose URL may be quoted
        raise ConfigError(
            f"the Dagster instance in {home} cannot be opened ({type(error).__name__}): check its dagster.yaml and DAGSTER_PG_URL"
        ) from None


def instance_here() -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME, or one that ends with this process: nobody would look at its record of runs."""
    return dagster_instance() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral()


def run(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    keys: Sequence[dg.AssetKey],
    days: Window | None = None,
) -> dict[str, Made]:
    """Materialise these assets of a job, for a range of days; what became of each, by its key.

    Raises RunFailed, or KeyboardInterrupt on Ctrl-C.
    """
    tags = {}
    if days is not None:
        tags = {
            "dagster/asset_partition_range_start": days.first.isoformat(),
            "dagster/asset_partition_range_end": days.last.isoformat(),
        }
    try:
        result = job.execute_in_process(
            instance=instance, asset_selection=list(keys), tags=tags, raise_on_error=False, run_config=QUIET
        )
    except dg.DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None
    if result.success:
        return dict(_made(result))
    events = result.all_events
    if any(
        e.is_run_failure and e.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
        for e in events
    ):
        raise KeyboardInterrupt
    for event in events:
        if event.is_step_failure:
            raise RunFailed(f"{event.step_key}: {quoted(event.step_failure_data)}")
    raise RunFailed(f"job {job.name} failed before its first step: see {instance.root_directory}")


def _made(result: dg.ExecuteInProcessResult) -> Iterator[tuple[str, Made]]:
    for event in result.get_asset_materialization_events():
        materialized = event.step_materialization_data.materialization
        said = {name: value.value for name, value in materialized.metadata.items()}
        rows = said.get("window_rows", said.get("dagster/row_count"))
        if rows is not None:
            made = Made(int(str(rows)), int(str(said.get("window_quarantined", 0))), str(said.get("notes", "")))
            yield materialized.asset_key.to_user_string(), made


def freed_runs() -> list[str]:
    """End every run Dagster still holds as started, and free its pool slots; returns their ids.

    For after a host crash: run monitoring does not see that such runs are dead. Raises ConfigError without DAGSTER_HOME.
    """
    with dagster_instance() as instance:
        stuck = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]))
        for run in stuck:
            instance.report_run_canceled(run, message="Ended by `segment-pipeline free-runs` after a crash of the host")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        return [run.run_id for run in stuck]
