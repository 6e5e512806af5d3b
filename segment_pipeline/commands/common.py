"""What commands begin with: the company as the environment says, and the day a table is looked at."""

from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from segment_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from segment_pipeline.catalogue import Catalogue
    from segment_pipeline.settings import Settings

DAY = click.DateTime(formats=["%Y-%m-%d"])


def company() -> tuple["Catalogue", "Settings"]:
    """The catalogue and settings of the environment; raises ConfigError when they cannot be read."""
    from segment_pipeline.catalogue import load
    from segment_pipeline.settings import Settings

    settings = Settings.from_env()
    return load(settings.catalogue), settings


def day_of(given: datetime | None, settings: "Settings", table: str) -> date:
    """The day asked for, or the newest the table has; raises ConfigError when it has none."""
    from segment_pipeline.lake.lake import Lake

    if given is not None:
        return given.date()
    days = Lake.open(settings).snapshots(table)
    if not days:
        raise ConfigError(
            f"the lake at {settings.lake} has no {table} yet: run the refresh job, or `segment-pipeline demo`"
        )
    return days[-1]
