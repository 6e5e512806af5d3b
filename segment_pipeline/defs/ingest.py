"""Ingestion assets, `<source>/<entity>`: what has days is partitioned by them, what describes things as they are is not.

These keys are public. An entity whose records are facts of a day (orders, events) has one partition per company day, pulled once
per contiguous window. A dimension or a snapshot (customers, catalog, locations) has none: each run brings it up to the day it
is about, from the day after the last it has, so that a night that failed is made good by the next. Dagster writes an event
per asset and day, some 17 ms each: of a year of a small company's ten entities four are 1,460 events and the other six one each,
where all ten were 3,650. The lake does not know the difference: rows and `loads` have days either way.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg

from segment_pipeline import redact
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import ConnectorKind
from segment_pipeline.days import AsOf, Window
from segment_pipeline.defs import specs
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.partitions import asked_of, window_of
from segment_pipeline.defs.resources import in_run, kind_of, resource_key
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.rates import land_rates
from segment_pipeline.landing.source import Entity, Kind, Source
from segment_pipeline.settings import Settings

GROUP = "sources"


def entity_key(source: str, entity: str) -> dg.AssetKey:
    return dg.AssetKey([source, entity])


def assets(
    catalogue: Catalogue, sources: Mapping[str, Source], settings: Settings, days: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """Of each source switched on a multi-asset of what has days and one of what has none; entities can be run one by one."""
    return [
        _source_assets(catalogue, source, settings, days, partitioned=partitioned)
        for source in sources.values()
        for partitioned in (False, True)
        if any(has_days(entity) is partitioned for entity in source.entities)
    ]


def has_days(entity: Entity) -> bool:
    """Whether an entity's records are facts of a day, and its asset has a partition for each."""
    return entity.kind is not Kind.SNAPSHOT and not entity.dimension


def _source_assets(
    catalogue: Catalogue, source: Source, settings: Settings, days: dg.DailyPartitionsDefinition, *, partitioned: bool
) -> dg.AssetsDefinition:
    entities = {entity.name: entity for entity in source.entities if has_days(entity) is partitioned}

    @dg.multi_asset(
        name=f"ingest_{source.name}" if partitioned else f"ingest_{source.name}_as_it_is",
        specs=[
            specs.spec(
                [source.name, entity.name],
                group=GROUP,
                description=entity.description,
                table=table(entity.table_names[0]),
                kinds=[kind_of(source), "deltalake"],
                deps=[dg.AssetKey(entity.upstream.split("/"))] if entity.upstream else (),
                partitions=days if partitioned else None,
            )
            for entity in entities.values()
        ],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run() if partitioned else None,
        required_resource_keys={resource_key(ConnectorKind.SOURCE, source.name)},
        pool=source.name,
    )
    def body(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        lake = Lake.open(settings)
        # From the run's resources, where secrets are resolved, and not from the enclosing declaration.
        connector: Source = in_run(context, ConnectorKind.SOURCE, [source.name])[source.name]

        with in_our_words(context, retries=2, wait=30):
            if catalogue.rates is not None:
                # Orders take the rate of their day when they are landed.
                land_rates(lake, catalogue.rates, base=settings.base_currency)

        def results() -> Iterator[dg.MaterializeResult[Any]]:
            for name in entities:
                key = entity_key(source.name, name)
                if key not in context.selected_asset_keys:
                    continue
                with in_our_words(context, retries=2, wait=30):
                    window = (
                        window_of(context)
                        if partitioned
                        else up_to_date(lake, source, name, settings, _asked(context, days))
                    )
                    report = ingest(lake, connector, name, window, settings, context.run.run_id)
                yield dg.MaterializeResult(
                    asset_key=key,
                    metadata={
                        # One event is copied to each day of a range: these are the window's numbers; a day's are in `loads`.
                        "window_days": len(window),
                        "window_rows": sum(report.rows.values()),
                        "window_received": report.received,
                        "window_said": "unknown" if report.said is None else report.said,
                        "window_quarantined": sum(report.quarantined.values()),
                        "window_requests": report.requests,
                        **({"notes": "; ".join(report.notes)} if report.notes else {}),
                        **(
                            {"unknown_events": {redact.text(name): n for name, n in report.unknown_events.items()}}
                            if report.unknown_events
                            else {}
                        ),
                    },
                )

        yield from specs.complete(context, results())

    return body


def _asked(context: dg.AssetExecutionContext, days: dg.DailyPartitionsDefinition) -> Window:
    """What the run is about, or the newest complete day where it is about none."""
    window, newest = asked_of(context), days.get_last_partition_key()
    if window is None and newest is None:
        raise ConfigError("no day of the company is complete yet: see SEGMENT_PIPELINE_START")
    return window or Window.of(date.fromisoformat(str(newest)))


def up_to_date(lake: Lake, source: Source, entity: str, settings: Settings, asked: Window) -> Window:
    """The days asked for, and those before them that were never landed after they had ended."""
    with lake.session() as session:
        session.scan("loads", partitions={"source": [source.name]})
        landed = session.rows(
            "SELECT day, max(finished_at) AS finished_at FROM loads WHERE asset = $asset GROUP BY day",
            asset=f"{source.name}/{entity}",
        )
    whole = [row["day"] for row in landed if row["finished_at"] >= AsOf(row["day"], settings.timezone).end]
    first = min(asked.first, max(whole) + timedelta(days=1)) if whole else asked.first
    return Window(first, asked.last)
