"""Company days as Dagster partitions, and back."""

from datetime import date

import dagster as dg

from segment_pipeline.days import Window
from segment_pipeline.settings import Settings


def daily(settings: Settings) -> dg.DailyPartitionsDefinition:
    """One partition per company day, from `settings.start` to `settings.end` (None: yesterday). One object for all assets."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.start.isoformat(),
        # Dagster's end is exclusive, our window's is not.
        end_date=date.fromordinal(settings.end.toordinal() + 1).isoformat() if settings.end else None,
        timezone=settings.timezone,
    )


def asked_of(context: dg.AssetExecutionContext) -> Window | None:
    """The company days a run is about, also for an asset without partitions in it; None for a run that is about none."""
    tags = context.run.tags
    if day := tags.get("dagster/partition"):
        return Window.of(date.fromisoformat(day))
    if first := tags.get("dagster/asset_partition_range_start"):
        return Window(date.fromisoformat(first), date.fromisoformat(tags["dagster/asset_partition_range_end"]))
    return None


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The company days a run was asked for: one, or a contiguous range in one run."""
    keys = context.partition_key_range
    return Window(date.fromisoformat(keys.start), date.fromisoformat(keys.end))
