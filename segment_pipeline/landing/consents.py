"""The tail of consent: pulled right before anything is sent, so that eligibility speaks of now and not of last night."""

from collections.abc import Mapping
from datetime import timedelta

from segment_pipeline import clock
from segment_pipeline.days import Window
from segment_pipeline.errors import SegmentPipelineError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings

SAYS_NO = frozenset({"consents", "suppressions"})
RECENT = timedelta(minutes=5)


def refresh_consents(lake: Lake, sources: Mapping[str, Source], settings: Settings, run_id: str) -> None:
    """Land what every entity that fills consents or suppressions has changed since its newest day, up to this moment.

    An entity pulled up to today less than five minutes ago is left alone: the audiences of one run share one pull. A load that
    is to be finished in the future, by a clock that was ahead, is none.
    One that fails costs the others nothing. Raises what ingesting raised, after all were asked: without the tail nobody may be added.
    """
    today, now = clock.today(settings.timezone), clock.now()
    failed: list[SegmentPipelineError] = []
    for source in sources.values():
        for entity in source.entities:
            if SAYS_NO.isdisjoint(entity.table_names):
                continue
            asset = f"{source.name}/{entity.name}"
            with lake.session() as session:
                session.scan("loads", partitions={"source": [source.name]})
                (last,) = session.rows(statement("landing", "newest_day"), asset=asset, now=now)
            if last["day"] == today and now - last["finished_at"] < RECENT:
                continue
            first = min(last["day"] or settings.start, today)
            try:
                ingest(lake, source, entity.name, Window(first, today), settings, run_id)
            except SegmentPipelineError as error:
                failed.append(error)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise TransientError("; ".join(map(str, failed)))
