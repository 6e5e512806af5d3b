"""Ingestion assets: one multi-asset per source, one asset per entity, daily partitions, one pull per contiguous window."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import ConnectorKind
from segment_pipeline.defs import specs
from segment_pipeline.defs.failures import told
from segment_pipeline.defs.partitions import window_of
from segment_pipeline.defs.resources import in_run, kind_of, resource_key
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.rates import land_rates
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings

GROUP = "sources"


def entity_key(source: str, entity: str) -> dg.AssetKey:
    return dg.AssetKey([source, entity])


def assets(
    catalogue: Catalogue, sources: Mapping[str, Source], settings: Settings, days: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """One multi-asset per source switched on; its entities can be run one by one."""
    return [_source_assets(catalogue, source, settings, days) for source in sources.values()]


def _source_assets(
    catalogue: Catalogue, source: Source, settings: Settings, days: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    entities = {entity.name: entity for entity in source.entities}

    @dg.multi_asset(
        name=f"ingest_{source.name}",
        specs=[
            specs.spec(
                [source.name, entity.name],
                group=GROUP,
                description=entity.description,
                table=table(entity.table_names[0]),
                kinds=[kind_of(source), "deltalake"],
                partitions=days,
            )
            for entity in entities.values()
        ],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={resource_key(ConnectorKind.SOURCE, source.name)},
        pool=source.name,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL),
    )
    def body(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        lake, window = Lake.open(settings), window_of(context)
        # From the run's resources, where secrets are resolved, and not from the enclosing declaration.
        connector: Source = in_run(context, ConnectorKind.SOURCE, [source.name])[source.name]

        with told():
            if catalogue.rates is not None:
                # Orders take the rate of their day when they are landed.
                land_rates(lake, catalogue.rates, base=settings.base_currency)

        def results() -> Iterator[dg.MaterializeResult[Any]]:
            for name in entities:
                key = entity_key(source.name, name)
                if key not in context.selected_asset_keys:
                    continue
                with told():
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
                    },
                )

        yield from specs.complete(context, results())

    return body
