"""When things run: the nightly refresh, and the sync once a day is complete.

Jobs that never mix: `refresh` is partitioned and only writes the lake, `sync` is not and is the only one that sends (and
only shows where SEGMENT_PIPELINE_SENDING is off), `publish` is not either and writes the company's own database.
"""

from collections.abc import Sequence

import dagster as dg

from segment_pipeline.defs import audiences, ingest, people, publishing, segments
from segment_pipeline.errors import ConfigError
from segment_pipeline.settings import Settings

_ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in _ENDED]


def refresh_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        "refresh",
        selection=dg.AssetSelection.groups(ingest.GROUP, people.GROUP, segments.GROUP),
        description="Pull, resolve, derive and evaluate one day or a range of days; sends nothing",
    )


def sync_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        "sync",
        selection=dg.AssetSelection.groups(audiences.GROUP),
        description="Make every audience equal to its segment's newest day; the only job that sends",
    )


def publish_job() -> "dg.UnresolvedAssetJobDefinition":
    return dg.define_asset_job(
        "publish",
        selection=dg.AssetSelection.groups(publishing.GROUP),
        description="Make the published tables equal to the newest day; sends nothing to any tool",
    )


def check_cron(settings: Settings) -> None:
    """Raises ConfigError where SEGMENT_PIPELINE_CRON is no schedule."""
    try:
        dg.ScheduleDefinition(name="nightly", job_name="refresh", cron_schedule=settings.cron)
    except dg.DagsterInvalidDefinitionError:
        raise ConfigError(
            "SEGMENT_PIPELINE_CRON is no schedule: set five fields (minute hour day month weekday) like 0 3 * * *"
        ) from None


def nightly(
    settings: Settings, days: dg.DailyPartitionsDefinition, job: "dg.UnresolvedAssetJobDefinition"
) -> dg.ScheduleDefinition:
    """Refresh of the last complete day, unless the whole of that day is being refreshed already. Starts running.

    Raises ConfigError as `check_cron` does.
    """
    check_cron(settings)

    @dg.schedule(
        name="nightly",
        job=job,
        cron_schedule=settings.cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Refreshes yesterday's partition",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        with dg.partition_loading_context(effective_dt=context.scheduled_execution_time):
            key = days.get_last_partition_key()
        if key is None:
            return dg.SkipReason("no day is complete yet")
        # A refresh that outlasts the schedule's interval would otherwise be followed by ever more that slow each other.
        under_way = dg.RunsFilter(job_name=job.name, tags={"dagster/partition": key}, statuses=_UNDER_WAY)
        runs = [run.run_id for run in context.instance.get_runs(under_way) if run.asset_selection is None]
        if runs:
            return dg.SkipReason(f"run {runs[0]} still refreshes {key}")
        return dg.RunRequest(run_key=f"{key}@{context.scheduled_execution_time:%Y-%m-%dT%H:%M}", partition_key=key)

    return schedule


def new_day(
    names: Sequence[str], days: dg.DailyPartitionsDefinition, jobs: Sequence["dg.UnresolvedAssetJobDefinition"]
) -> dg.SensorDefinition:
    """These jobs, once the newest day's memberships are all there; a backfill of the past launches nothing. Starts running.

    One sensor for both `sync` and `publish`, since both wait for the same; as runs of their own, so that neither waits for or
    fails with the other. A newest day that is computed again is not sent again: `segment-pipeline audiences sync` and
    `segment-pipeline publish` do that.
    """
    keys = [segments.segment_key(name) for name in names]
    names_of_jobs = [job.name for job in jobs]

    @dg.sensor(
        name="new_day",
        jobs=jobs,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Launches {' and '.join(names_of_jobs)} when every segment of the newest day is materialised",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        newest = days.get_last_partition_key()
        if newest is None or (context.cursor and newest <= context.cursor):
            return dg.SkipReason(f"{newest or 'no day'} is already handled")
        have = sum(newest in context.instance.get_materialized_partitions(key) for key in keys)
        if have < len(keys):
            return dg.SkipReason(f"{newest}: {have} of {len(keys)} segments are there")
        requests = [
            dg.RunRequest(run_key=f"{job}:{newest}", job_name=job, tags={"as_of": newest}) for job in names_of_jobs
        ]
        return dg.SensorResult(run_requests=requests, cursor=newest)

    return sensor
