"""A whole run of a company's catalogue in a folder of its own: what its tests ask about. Sends nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg

from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.days import Window
from segment_pipeline.definitions import build_definitions
from segment_pipeline.defs.operations import planned
from segment_pipeline.defs.partitions import daily
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.refreshing import refresh_tasks
from segment_pipeline.settings import Settings
from segment_pipeline.tasks import in_turn


@dataclass(frozen=True)
class Trial:
    """A lake in which one day is there in every stage."""

    catalogue: Catalogue
    settings: Settings
    day: date

    def sizes(self) -> dict[str, int]:
        """Members of each segment."""
        with Lake.open(self.settings).session() as session:
            session.scan("segment_sizes", partitions={"as_of": [self.day]})
            return {row["segment"]: row["size"] for row in session.rows("SELECT segment, size FROM segment_sizes")}

    def members(self, segment: str) -> set[str]:
        """E-mail addresses of the people in a segment; those without one are left out."""
        with Lake.open(self.settings).session() as session:
            session.scan("memberships", partitions={"as_of": [self.day]})
            session.scan("profiles")
            found = session.rows(
                "SELECT p.email FROM memberships AS m JOIN profiles AS p ON p.profile_id = m.profile_id"
                " WHERE m.segment = $segment AND p.email IS NOT NULL",
                segment=segment,
            )
        return {row["email"] for row in found}

    def plan(self, audience: str) -> SyncReport:
        """What a sync of an audience would do: who is eligible, and why the others are not."""
        return planned(self.catalogue, self.settings, audience)


def trial(
    catalogue: Catalogue, home: Path, *, day: date | None = None, variables: Mapping[str, str] | None = None
) -> Trial:
    """Land a company's sources and compute a day (None: yesterday) in `home`, with the assets Dagster would run.

    `variables`: settings, as the environment would have them. Raises what landing and the rules raise.
    """
    settings = Settings.from_env({**(variables or {}), "SEGMENT_PIPELINE_HOME": str(home)})
    definitions = build_definitions(catalogue, settings)
    newest = daily(settings).get_last_partition_key()
    if newest is None:
        raise ConfigError("no company day is complete yet: hand SEGMENT_PIPELINE_START in with `variables`")
    day = day or date.fromisoformat(newest)
    with dg.DagsterInstance.ephemeral() as instance:
        tasks = refresh_tasks(catalogue, settings, landed=Window(settings.start, day), derived=Window.of(day))
        in_turn(tasks, definitions, instance, _silently)
    return Trial(catalogue, settings, day)


@contextmanager
def _silently(_: str) -> Iterator[None]:
    yield
