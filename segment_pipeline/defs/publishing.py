"""Published tables as assets: one per table, unpartitioned, each brought up to the lake's newest snapshot by its run."""

from contextlib import closing
from dataclasses import asdict
from typing import Any

import dagster as dg

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.defs import specs
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.people import IDENTITIES, TRAITS, own_traits_key
from segment_pipeline.defs.segments import segment_key
from segment_pipeline.lake.lake import Lake
from segment_pipeline.publishing.publish import publish
from segment_pipeline.publishing.shape import published, tables_of
from segment_pipeline.publishing.target import Target
from segment_pipeline.settings import Settings

GROUP = "published"


def assets(catalogue: Catalogue, settings: Settings) -> list[dg.AssetsDefinition]:
    """One asset per published table; none where no database to publish to is set."""
    return (
        [_published_asset(name, catalogue, settings) for name in tables_of(catalogue.trait_sets)]
        if settings.publish
        else []
    )


def _published_asset(name: str, catalogue: Catalogue, settings: Settings) -> dg.AssetsDefinition:
    segments = [segment.name for segment in catalogue.segments]
    made_from = {"profiles": [IDENTITIES], "traits": [TRAITS], "memberships": [segment_key(s) for s in segments]} | {
        own.table: [own_traits_key(own.name)] for own in catalogue.trait_sets
    }
    shape = published(name, personal=settings.publish_personal)

    @dg.multi_asset(
        name=f"publish_{name}",
        specs=[
            specs.spec(
                [GROUP, name],
                group=GROUP,
                description=f"The newest {name} in the database of SEGMENT_PIPELINE_PUBLISH: {shape.source.grain}",
                columns=shape.columns,
                kinds=["sql"],
                deps=made_from[name],
            )
        ],
        # One at a time: publishers wait for each other in the database anyway.
        pool=GROUP,
    )
    def body(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        if "dagster/backfill" in context.run.tags:
            raise dg.Failure(
                "a backfill never publishes: launch the job publish, or `segment-pipeline publish`", allow_retries=False
            )
        with in_our_words(context, retries=1, wait=60), closing(Target.open(settings)) as target:
            (done,) = publish(Lake.open(settings), target, segments, tables=[name], personal=settings.publish_personal)
        numbers = asdict(done) | {"as_of": done.as_of.isoformat(), "why": done.why or "none"}
        return dg.MaterializeResult(
            asset_key=dg.AssetKey([GROUP, name]),
            metadata={"dagster/row_count": done.rows}
            | {k: v for k, v in numbers.items() if k not in ("table", "rows")},
        )

    return body
