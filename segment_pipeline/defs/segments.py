"""Segment assets: all of them one multi-asset that evaluates a day's segments together, any subset of them on demand."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.defs import specs
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.partitions import window_of
from segment_pipeline.defs.people import LATE, TRAITS, own_traits_key
from segment_pipeline.goals import NAME as GOAL
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.traits.sets import read_by
from segment_pipeline.segments import pictures
from segment_pipeline.segments.definition import traits_of
from segment_pipeline.segments.memberships import build_memberships_of
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.sizes import sizes_of
from segment_pipeline.segments.validation import OWNER
from segment_pipeline.segments.wording import in_lines
from segment_pipeline.settings import Settings

GROUP = "segments"


def segment_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["segments", name])


def assets(catalogue: Catalogue, settings: Settings, days: dg.DailyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """One multi-asset, one spec per segment: a segment that cannot be evaluated fails alone and is never emptied.

    Segments that read a company's own sets of traits have a multi-asset for each combination of sets: a set that failed
    stops those alone.
    """
    by_name = {segment.name: segment for segment in catalogue.segments}
    together: dict[tuple[str, ...], list[Segment]] = {}
    for segment in catalogue.segments:
        sets = read_by(traits_of(segment.where, by_name), catalogue.trait_sets)
        together.setdefault(tuple(sorted(one.name for one in sets)), []).append(segment)
    return [_evaluated(catalogue, settings, days, read, segments) for read, segments in sorted(together.items())]


def _evaluated(
    catalogue: Catalogue,
    settings: Settings,
    days: dg.DailyPartitionsDefinition,
    sets: tuple[str, ...],
    segments: Sequence[Segment],
) -> dg.AssetsDefinition:
    names = [segment.name for segment in segments]

    @dg.multi_asset(
        name="_".join(["segments", *sets]),
        specs=[
            specs.spec(
                ["segments", segment.name],
                group=GROUP,
                description=f"{segment.description}\n\nWho: {in_lines(segment.where)}",
                table=table("memberships"),
                # All segments have the same columns: what is the segment's own stands above them.
                schema_key="columns",
                # What is wrong with a segment fails its evaluation, and nothing before.
                owner=segment.owner if OWNER.fullmatch(segment.owner) else specs.OWNER,
                deps=[TRAITS, *map(own_traits_key, sets)],
                partitions=days,
                freshness=dg.FreshnessPolicy.time_window(fail_window=LATE),
                tags={"goal": segment.goal} if GOAL.fullmatch(segment.goal) else None,
            )
            for segment in segments
        ],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def body(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        lake, window = Lake.open(settings), window_of(context)
        selected = [name for name in names if segment_key(name) in context.selected_asset_keys]

        def results() -> Iterator[dg.MaterializeResult[Any]]:
            with in_our_words(context, retries=2, wait=10):
                failed: dict[str, str] = {}
                of_days = list(window.days())
                for report in build_memberships_of(
                    lake,
                    of_days,
                    catalogue.segments,
                    settings,
                    selected=selected,
                    vocabulary=catalogue.vocabulary,
                    with_funnels=True,
                ):
                    failed.update(report.failed)
                sizes = sizes_of(lake, selected, window.last)
            for name in selected:
                if name in failed:
                    continue
                entered, exited = report.changes.get(name, (0, 0))
                yield dg.MaterializeResult(
                    asset_key=segment_key(name),
                    metadata={
                        "dagster/row_count": report.sizes[name],
                        "funnel": dg.MetadataValue.md(
                            pictures.funnel(window.last, report.population, report.funnels[name])
                        ),
                        "size_over_time": dg.MetadataValue.md(pictures.size_over_time(sizes[name])),
                        "members": report.sizes[name],
                        "entered": entered,
                        "exited": exited,
                        "population": report.population,
                        "newest_day": window.last.isoformat(),
                    },
                )
            if failed:
                what = "; ".join(f"{name}: {why}" for name, why in sorted(failed.items()))
                raise dg.Failure(
                    f"segments not evaluated, their audiences keep what they have: {what}", allow_retries=False
                )

        yield from specs.complete(context, results())

    return body
