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


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The company days a run was asked for: one, or a contiguous range in one run."""
    keys = context.partition_key_range
    return Window(date.fromisoformat(keys.start), date.fromisoformat(keys.end))
