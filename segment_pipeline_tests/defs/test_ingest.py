"""What has days has a partition for each; what has none is one asset that every run brings up to date, gaps included."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.days import Window
from segment_pipeline.definitions import build_definitions
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity, Kind
from segment_pipeline.settings import Settings
from segment_pipeline_tests.landing.literal_source import LiteralSource
from segment_pipeline_tests.landing.test_entities import NOTES

FACTS = replace(NOTES, name="facts", kind=Kind.MUTABLE)
STORES = replace(NOTES, name="shops", kind=Kind.MUTABLE, dimension=True)
CLOCK = "SEGMENT_PIPELINE_CLOCK"


@dataclass
class Watched(LiteralSource):
    """Remembers the windows it was asked for."""

    asked: list[tuple[str, date, date]] = field(default_factory=list)

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        self.asked.append((entity.name, window.first, window.last))
        return super().pull(entity, window, timezone, into)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(CLOCK, "2017-06-10T08:00:00+00:00")
    days = {"SEGMENT_PIPELINE_START": "2017-06-01", "SEGMENT_PIPELINE_END": "2017-06-09"}
    return Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)} | days)


@pytest.fixture
def source() -> Watched:
    return Watched((NOTES, STORES, FACTS), {"notes": [[{"id": "a", "name": "Ada"}]]})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def day(number: int) -> date:
    return date(2017, 6, number)


def refresh(
    source: Watched, settings: Settings, instance: dg.DagsterInstance, days: tuple[int, int] | None, *only: str
) -> dict[str, int]:
    """A run of the job for some days, or for none; events of materialisation by entity."""
    job = build_definitions(Catalogue(sources=(source,), destinations=(), segments=()), settings).resolve_job_def(
        "refresh"
    )
    tags = {}
    if days:
        names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        tags = {name: day(number).isoformat() for name, number in zip(names, days, strict=True)}
    keys = [dg.AssetKey(["literal", name]) for name in only or ("notes", "shops", "facts")]
    result = job.execute_in_process(instance=instance, asset_selection=keys, tags=tags)
    events: dict[str, int] = {}
    for event in result.get_asset_materialization_events():
        assert event.asset_key is not None
        events[event.asset_key.path[-1]] = events.get(event.asset_key.path[-1], 0) + 1
    return events


def test_a_range_is_an_event_per_day_for_what_has_days_and_one_for_what_has_none(
    source: Watched, settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert refresh(source, settings, instance, (1, 9)) == {"notes": 1, "shops": 1, "facts": 9}
    with Lake.open(settings).session() as session:
        session.scan("loads")
        counted = session.rows("SELECT asset, count(DISTINCT day) AS days FROM loads GROUP BY asset ORDER BY asset")
    assert [(row["asset"], row["days"]) for row in counted] == [
        ("literal/facts", 9), ("literal/notes", 9), ("literal/shops", 9),
    ]  # fmt: skip


def test_what_a_failed_night_left_out_is_made_good_by_the_next(
    source: Watched, settings: Settings, instance: dg.DagsterInstance
) -> None:
    refresh(source, settings, instance, (1, 3))
    source.asked.clear()
    refresh(source, settings, instance, (6, 6))
    # A snapshot has no days to make good: each is of how things stand now.
    assert set(source.asked) == {("notes", day(6), day(6)), ("shops", day(4), day(6)), ("facts", day(6), day(6))}


def test_a_backfill_of_the_past_pulls_its_own_days(
    source: Watched, settings: Settings, instance: dg.DagsterInstance
) -> None:
    refresh(source, settings, instance, (1, 6))
    source.asked.clear()
    refresh(source, settings, instance, (2, 3))
    assert {(first, last) for _, first, last in source.asked} == {(day(2), day(3))}


def test_materialised_by_itself_it_is_brought_up_to_the_newest_day(
    source: Watched, settings: Settings, instance: dg.DagsterInstance
) -> None:
    refresh(source, settings, instance, (1, 3))
    source.asked.clear()
    refresh(source, settings, instance, None, "shops")
    assert source.asked == [("shops", day(4), day(9))]


def test_a_day_that_was_landed_before_it_had_ended_is_landed_again(
    source: Watched, settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Consents are refreshed at noon, and the night after that is skipped."""
    refresh(source, settings, instance, (1, 3))
    monkeypatch.setenv(CLOCK, datetime(2017, 6, 4, 12, tzinfo=UTC).isoformat())
    ingest(Lake.open(settings), source, "shops", Window.of(day(4)), settings, "noon")
    monkeypatch.setenv(CLOCK, datetime(2017, 6, 6, 3, tzinfo=UTC).isoformat())
    source.asked.clear()
    refresh(source, settings, instance, (5, 5), "shops")
    assert source.asked == [("shops", day(4), day(5))]


def test_history_without_a_complete_day_says_so(
    source: Watched, settings: Settings, instance: dg.DagsterInstance
) -> None:
    tomorrow: Any = replace(settings, start=date(2999, 1, 1), end=None)
    with pytest.raises(dg.Failure, match="no day of the company is complete yet: see SEGMENT_PIPELINE_START"):
        refresh(source, tomorrow, instance, None, "shops")
