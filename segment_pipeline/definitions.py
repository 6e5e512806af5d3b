"""What Dagster loads: `build_definitions` for any company's catalogue, and `defs` for the one the settings name."""

import dagster as dg

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.company import company, settings_here
from segment_pipeline.defs import (
    alerts,
    arrivals,
    audiences,
    automation,
    checks,
    ingest,
    people,
    publishing,
    resources,
    segments,
)
from segment_pipeline.defs.partitions import daily
from segment_pipeline.settings import Settings


@dg.configured(
    dg.multiprocess_executor, config_schema={"max_concurrent": dg.Field(dg.Noneable(int), default_value=None)}
)
def forked_steps(config: dict[str, int | None]) -> dict[str, object]:
    """Each step is a process of its own, `max_concurrent` at a time (None: as many as there are processors).

    Forked from one that has loaded the company's module it begins at once; spawned anew, as Dagster does by default, each of a
    refresh's two dozen steps would first load Dagster, DuckDB and the rest.
    """
    return config | {"start_method": {"forkserver": {}}}


def build_definitions(
    catalogue: Catalogue, settings: Settings | None = None, *, executor: dg.ExecutorDefinition | None = forked_steps
) -> dg.Definitions:
    """Assets, checks, jobs, schedule and sensors of one company; `settings` None: as the environment and the company's files say.

    `executor` None: that of the project these are merged into, which may have but one.

    Raises ConfigError with every mistake in the catalogue but those of single segments: those stop at their own assets.
    """
    catalogue.validate()
    settings = settings or settings_here()
    days = daily(settings)
    sources = catalogue.enabled_sources(settings)
    destinations = catalogue.enabled_destinations(settings)
    ingested = [
        ingest.entity_key(source.name, entity.name) for source in sources.values() for entity in source.entities
    ]
    refresh = automation.refresh_job()
    after_a_day = [automation.sync_job(), *([automation.publish_job()] if settings.publish else [])]
    return dg.Definitions(
        assets=[
            *ingest.assets(catalogue, sources, settings, days),
            *people.assets(catalogue, settings, days, ingested),
            *segments.assets(catalogue, settings, days),
            *audiences.assets(catalogue, settings, sources, destinations),
            *publishing.assets(catalogue, settings),
        ],
        asset_checks=checks.checks(catalogue, settings, sources),
        jobs=[refresh, *after_a_day],
        schedules=[automation.nightly(settings, days, refresh)],
        sensors=[
            automation.new_day([segment.name for segment in catalogue.segments], days, after_a_day),
            *arrivals.sensors(sources, settings, days),
            alerts.failures(settings),
            alerts.denials_waiting(settings),
        ],
        resources=resources.resources(sources, destinations),
        executor=executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(*company())
