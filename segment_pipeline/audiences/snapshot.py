"""Which day's memberships a sync may use: the newest there is, and only while it is fresh."""

from datetime import date, datetime, timedelta

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.settings import Settings


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


def source_reasons(
    audience: Audience, as_of: date | None, population: int, settings: Settings, now: datetime
) -> list[str]:
    """`empty_source` or `stale_source` where the memberships must not decide who is in an audience."""
    if as_of is None or population == 0:
        return ["empty_source"]
    return ["stale_source"] if now > fresh_until(audience, as_of, settings) else []
