"""Which day's memberships a sync may use: the newest there is, and only while it is fresh."""

from datetime import date, datetime, timedelta

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.segments.evaluated import definition_of
from segment_pipeline.settings import Settings

NAMED = 5  # assets a reason names before it counts the rest


def newest(lake: Lake, session: Session, segment: str) -> tuple[date | None, int]:
    """The newest day the segment was evaluated for, and how many people were known on it; (None, 0): never."""
    days = lake.snapshots("segment_sizes")
    for day in reversed(days):
        session.scan("segment_sizes", partitions={"as_of": [day]})
        found = session.rows("SELECT population FROM segment_sizes WHERE segment = $segment", segment=segment)
        if found:
            return day, int(found[0]["population"])
    return None, 0


def fresh_until(audience: Audience, as_of: date, settings: Settings) -> datetime:
    """The instant until which memberships of a day may be sent."""
    end = AsOf(as_of, settings.timezone).end
    return end + timedelta(hours=audience.max_age_hours or settings.fresh_hours)


def source(
    lake: Lake, session: Session, audience: Audience, settings: Settings, now: datetime
) -> tuple[date | None, tuple[str, ...]]:
    """The newest day of an audience's segment (None: never evaluated), and why its memberships must not decide who is in it.

    A reason begins with `empty_source`, `changed_segment` or `stale_source`.
    """
    as_of, population = newest(lake, session, audience.segment)
    if as_of is None:
        return None, (f"empty_source: segment {audience.segment} was never evaluated",)
    if population == 0:
        return as_of, (f"empty_source: nobody was known on {as_of}, the newest day of segment {audience.segment}",)
    if audience.today and definition_of(session, audience.segment, as_of) != audience.today.definition:
        said = f"segment {audience.segment} means something else than when it was evaluated for {as_of}"
        again = f"`segment-pipeline refresh --day {as_of}` evaluates the day again"
        return as_of, (f"changed_segment: {said}: {again}",)
    if AsOf(as_of, settings.timezone).start > now:
        said = f"the newest day of segment {audience.segment} is {as_of}, which has not begun"
        return as_of, (f"stale_source: {said}; see whether a clock was ahead when it was evaluated, or is behind now",)
    late = now - fresh_until(audience, as_of, settings)
    if late <= timedelta(0):
        return as_of, ()
    session.scan("loads")
    behind = [str(row["asset"]) for row in session.rows(statement("audiences", "not_landed_since"), day=as_of)]
    more = f" and {len(behind) - NAMED} more" if len(behind) > NAMED else ""
    cause = f"nothing newer landed from {', '.join(behind[:NAMED])}{more}" if behind else "newer days have landed"
    said = f"the newest day of segment {audience.segment} is {as_of}, to be sent until {late // timedelta(hours=1)} hours ago"
    return as_of, (f"stale_source: {said}; {cause}",)
