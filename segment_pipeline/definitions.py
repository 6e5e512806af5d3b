"""What Dagster loads: `build_definitions` for any company's catalogue, and `defs` for the one the settings name."""

import dagster as dg

from segment_pipeline.catalogue import Catalogue, load
from segment_pipeline.defs import audiences, automation, checks, ingest, people, segments
from segment_pipeline.defs.partitions import daily
from segment_pipeline.settings import Settings


def build_definitions(catalogue: Catalogue, settings: Settings) -> dg.Definitions:
    """Assets, checks, jobs, schedule and sensors of one company.

    Raises ConfigError with every mistake in the catalogue, a rule's with its file and line: nothing loads on a wrong rule.
    """
    catalogue.validate()
    days = daily(settings)
    sources = catalogue.enabled_sources(settings)
    destinations = catalogue.enabled_destinations(settings)
    ingested = [
        ingest.entity_key(source.name, entity.name) for source in sources.values() for entity in source.entities
    ]
    refresh, sync = automation.refresh_job(), automation.sync_job()
    return dg.Definitions(
        assets=[
            *ingest.assets(catalogue, sources, settings, days),
            *people.assets(catalogue, settings, days, ingested),
            *segments.assets(catalogue, settings, days),
            *audiences.assets(catalogue, settings, sources, destinations),
        ],
        asset_checks=checks.checks(catalogue, settings, sources),
        jobs=[refresh, sync],
        schedules=[automation.nightly(settings, days, refresh)],
        sensors=[
            automation.new_day([segment.name for segment in catalogue.segments], days, sync),
            automation.alert(settings),
        ],
        resources={**sources, **destinations},
    )


@dg.definitions
def defs() -> dg.Definitions:
    settings = Settings.from_env()
    return build_definitions(load(settings.catalogue), settings)
