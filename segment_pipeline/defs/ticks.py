"""When things run by themselves: by the settings alone, and, where there is a Dagster instance, what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState
from dagster._utils.schedules import get_latest_completed_cron_tick, get_next_cron_tick, is_valid_cron_schedule

from segment_pipeline.defs.failures import quoted
from segment_pipeline.errors import ConfigError
from segment_pipeline.settings import Settings
from segment_pipeline.zones import zone

# A day is late once its night's refresh has had this long.
PATIENCE = timedelta(hours=2)
RECENT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Automation:
    """A schedule or sensor. `running` None: no Dagster instance was asked. Times are in UTC; None: never, or not known."""

    name: str
    running: bool | None
    last_at: datetime | None
    last_status: str | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed within a day and that no later run of its job made good. `error`: our own sentence."""

    job: str
    run_id: str
    ended_at: datetime | None
    error: str


def expected_day(settings: Settings, now: datetime) -> date | None:
    """The last company day that the nightly refresh should have brought by now; None: there is none yet."""
    tick = get_latest_completed_cron_tick(_cron(settings), now - PATIENCE, settings.timezone)
    day = tick.astimezone(zone(settings.timezone)).date() - timedelta(days=1)
    day = min(day, settings.end) if settings.end else day
    return day if day >= settings.start else None


def next_refresh(settings: Settings, now: datetime) -> datetime:
    return get_next_cron_tick(_cron(settings), now, settings.timezone).astimezone(UTC)


def _cron(settings: Settings) -> str:
    if not is_valid_cron_schedule(settings.cron):
        raise ConfigError(f"SEGMENT_PIPELINE_CRON is {settings.cron}, which is no cron schedule: set it like 0 3 * * *")
    return settings.cron


def automations(instance: dg.DagsterInstance | None, settings: Settings, now: datetime) -> list[Automation]:
    """The nightly schedule, and whatever else the instance has switched on or seen."""
    upcoming = next_refresh(settings, now)
    if instance is None:
        return [Automation("nightly", None, None, None, upcoming)]
    found = []
    for state in sorted(instance.all_instigator_state(), key=lambda state: state.instigator_name):
        at, said = _last(instance, state)
        name = state.instigator_name
        found.append(
            Automation(name, state.is_running, at, said, upcoming if name == "nightly" and state.is_running else None)
        )
    return found or [Automation("nightly", False, None, None, None)]


def _last(instance: dg.DagsterInstance, state: InstigatorState) -> tuple[datetime | None, str | None]:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    if not ticks:
        return None, None
    return datetime.fromtimestamp(ticks[0].timestamp, UTC), ticks[0].status.value.lower()


def silent_daemons(instance: dg.DagsterInstance) -> list[str]:
    """Daemons the instance needs and has not heard of lately: without them nothing runs by itself."""
    statuses = instance.get_daemon_statuses()
    return sorted(name for name, status in statuses.items() if status.required and not status.healthy)


def failed_runs(instance: dg.DagsterInstance, now: datetime) -> list[FailedRun]:
    """Runs that failed within a day, newest first, without those whose job and day succeeded afterwards."""
    since = dg.RunsFilter(updated_after=now - RECENT)
    made_good: set[tuple[str, str | None]] = set()
    found = []
    for record in instance.get_run_records(since):
        run = record.dagster_run
        what = (run.job_name, run.tags.get("dagster/partition"))
        if run.status == dg.DagsterRunStatus.SUCCESS:
            made_good.add(what)
        elif run.status == dg.DagsterRunStatus.FAILURE and what not in made_good:
            ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None
            found.append(FailedRun(run.job_name, run.run_id, ended, "; ".join(_errors(instance, run.run_id))))
    return found


def _errors(instance: dg.DagsterInstance, run_id: str) -> Sequence[str]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    said = []
    for record in records:
        event = record.event_log_entry.dagster_event
        data = event.step_failure_data if event else None
        if event is None or data is None:
            continue
        said.append(f"{event.step_key}: {quoted(data)}")
    return said or ["it ended before its first step"]
