"""What commands begin with: the company as the environment says, its folder, and the day a table is looked at."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segment_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segment_pipeline.catalogue import Catalogue
    from segment_pipeline.settings import Settings
    from segment_pipeline.traits import TraitSet


class Home(click.Path):
    """A folder by its name. An empty one, of a variable that is not set, would be the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("names no folder: leave it out for the usual one", param, ctx)
        return super().convert(value, param, ctx)


HOME = Home(path_type=Path)
DAY = click.DateTime(formats=["%Y-%m-%d"])


def company() -> tuple["Catalogue", "Settings"]:
    """The catalogue and settings as `segment_pipeline.company` finds them, which a command imports when it runs."""
    from segment_pipeline.company import company as found

    return found()


def own_sets() -> "Sequence[TraitSet]":
    """The company's own sets of traits, which makes their tables known; none, with a word of why, where there is no company."""
    try:
        return company()[0].trait_sets
    except ConfigError as error:
        click.echo(f"without the company's own traits: {error}", err=True)
        return ()


def folder(home: Path) -> Path:
    """A home as an absolute path, there or not; raises ConfigError where a file is in the way."""
    home = home.expanduser().absolute()
    there = next(place for place in (home, *home.parents) if place.exists())
    if not there.is_dir():
        raise ConfigError(
            f"{there} is a file where a folder is needed: name another with --home or SEGMENT_PIPELINE_HOME"
        )
    return home


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
