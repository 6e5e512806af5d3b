"""Profile assets: who is who as of a day, and what was true of them then."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.defs import specs
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.partitions import window_of
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles import build
from segment_pipeline.segments.own_traits import quantities
from segment_pipeline.settings import Settings
from segment_pipeline.traits import TraitSet

GROUP = "profiles"
LATE = timedelta(hours=36)
IDENTITIES = dg.AssetKey(["profiles", "identities"])
TRAITS = dg.AssetKey(["profiles", "traits"])


def assets(
    catalogue: Catalogue, settings: Settings, days: dg.DailyPartitionsDefinition, ingested: Sequence[dg.AssetKey]
) -> list[dg.AssetsDefinition]:
    """Identities and traits, daily as-of snapshots. A day reads every ingested day up to it, not only its own."""

    @dg.multi_asset(
        name="identities",
        specs=[
            specs.spec(
                IDENTITIES.path,
                group=GROUP,
                description="Every record resolved to a person as of the day; the newest day also writes the golden records",
                table=table("identities"),
                deps=ingested,
                partitions=days,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        # Aliases are one table: one build at a time.
        pool="identities",
    )
    def identities(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        lake = Lake.open(settings)
        with in_our_words(context, retries=2, wait=10):
            of_days = list(window_of(context).days())
            *_, report = build.identities_of(lake, of_days, settings, catalogue.identity)
        yield dg.MaterializeResult(
            asset_key=IDENTITIES,
            metadata={
                "dagster/row_count": report.records,
                "profiles": report.profiles,
                "refused_links": report.refused,
                "contradictory": report.contradictory,
                "merges": report.merges,
                "splits": report.splits,
                "aliases": report.aliases,
                "back_projected": report.back_projected,
                "newest_day": report.as_of.isoformat(),
            },
        )

    @dg.multi_asset(
        name="traits",
        specs=[
            specs.spec(
                TRAITS.path,
                group=GROUP,
                description="Point-in-time traits of every person as of the day",
                table=table("traits"),
                deps=[IDENTITIES],
                partitions=days,
                freshness=dg.FreshnessPolicy.time_window(fail_window=LATE),
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def traits(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        lake = Lake.open(settings)
        with in_our_words(context, retries=2, wait=10):
            of_days = list(window_of(context).days())
            *_, report = build.traits_of(lake, of_days, settings, catalogue.traits, catalogue.identity)
        yield dg.MaterializeResult(
            asset_key=TRAITS,
            metadata={
                "dagster/row_count": report.profiles,
                "shares": report.shares,
                "buyers_365d": report.buyers_365d,
                "newest_day": report.as_of.isoformat(),
            },
        )

    return [identities, traits, *(_own_traits(catalogue, settings, days, own) for own in catalogue.trait_sets)]


def own_traits_key(name: str) -> dg.AssetKey:
    """The asset of a company's own set of traits."""
    return dg.AssetKey(["profiles", f"traits_{name}"])


def _own_traits(
    catalogue: Catalogue, settings: Settings, days: dg.DailyPartitionsDefinition, own: TraitSet
) -> dg.AssetsDefinition:
    owners = sorted({trait.owner for trait in own.traits})

    @dg.multi_asset(
        name=own.table,
        specs=[
            specs.spec(
                own_traits_key(own.name).path,
                group=GROUP,
                description=f"The company's own traits {own.name}: {', '.join(trait.name for trait in own.traits)}",
                table=table(own.table),
                owner=owners[0],
                deps=[TRAITS],
                partitions=days,
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def body(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with in_our_words(context, retries=2, wait=10):
            *_, report = build.own_traits_of(
                Lake.open(settings),
                list(window_of(context).days()),
                settings,
                own,
                catalogue.identity,
                quantities=quantities(catalogue.vocabulary),
            )
        return dg.MaterializeResult(
            asset_key=own_traits_key(own.name),
            metadata={
                "dagster/row_count": report.profiles,
                **{f"known {name}": people for name, people in report.known.items()},
                "newest_day": report.as_of.isoformat(),
            },
        )

    return body
