"""The suite a source of one's own inherits: what landing relies on, one property per test, whatever the source asks.

class TestTill(SourceContract):
    entity, window, records = "sales", Window(date(2026, 3, 1), date(2026, 3, 31)), 42
    @pytest.fixture
    def source(self, …): return Till(base_url=…)
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from segment_pipeline.connector import ConnectorKind, Described, fields_of, value
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, SegmentPipelineError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.landing import ingest, land
from segment_pipeline.landing.raw import pulls
from segment_pipeline.landing.source import Source, entity_of
from segment_pipeline.settings import Settings


def rows_of(lake: Lake, name: str) -> list[str]:
    """Every row of a table as text, in an order of its own."""
    with lake.session() as session:
        session.scan(name)
        return sorted(str(row) for row in session.rows(f"SELECT * FROM {name}"))


class SourceContract:
    """`entity`: the one asked for; `window`: days in which the other side has `records` usable records of it, and no others."""

    entity: ClassVar[str]
    window: ClassVar[Window]
    records: ClassVar[int]
    timezone: ClassVar[str] = "UTC"

    @pytest.fixture
    def source(self) -> Source:
        raise NotImplementedError

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
        home = {"SEGMENT_PIPELINE_HOME": str(tmp_path / "home"), "SEGMENT_PIPELINE_TIMEZONE": self.timezone}
        return Settings.from_env(home)

    @pytest.fixture
    def lake(self, settings: Settings) -> Lake:
        return self.fresh(settings.home)

    def fresh(self, folder: Path) -> Lake:
        return Lake(str(folder / "lake"), DuckDBEngine(memory="1GB", threads=2, spill=folder / "spill"))

    def tables(self, source: Source, lake: Lake) -> list[list[str]]:
        return [rows_of(lake, name) for name in entity_of(source, self.entity).table_names]

    def test_it_speaks_the_protocol(self, source: Source) -> None:
        assert isinstance(source, Source)
        assert isinstance(source, Described)
        assert (source.about.kind, bool(source.about.title)) == (ConnectorKind.SOURCE, True)
        names = [entity.name for entity in source.entities]
        assert self.entity in names
        assert len(set(names)) == len(names)

    def test_it_is_ready(self, source: Any) -> None:
        """Where everything is in order its checks pass, offline and online."""
        source.secrets_present()
        source.check()

    def test_its_repr_holds_no_secret(self, source: Source) -> None:
        secrets = [value(source, name) for name, held in fields_of(source).items() if held.secret]
        assert [secret for secret in secrets if secret and secret in repr(source) + str(source)] == []

    def test_a_missing_secret_is_named_with_the_way_out(self, source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, held in fields_of(source).items():
            if held.secret and not held.optional:
                monkeypatch.delenv(held.name, raising=False)
                with pytest.raises(ConfigError, match=f"{held.name}.*{source.name}.*SEGMENT_PIPELINE_SOURCES"):
                    replace(source, **{name: ""}).secrets_present()

    def test_every_table_it_fills_is_one_of_the_lake_s(self, source: Source) -> None:
        for entity in source.entities:
            assert [table(name).name for name in entity.table_names] == list(entity.table_names)

    def test_everything_of_the_window_lands(self, source: Source, lake: Lake, settings: Settings) -> None:
        """What is received is landed or quarantined, and as much as the source says there is."""
        report = ingest(lake, source, self.entity, self.window, settings, "run")
        assert report.received == self.records + sum(report.quarantined.values())
        assert report.said in (None, report.received)
        assert report.rows[entity_of(source, self.entity).table_names[0]] > 0

    def test_rows_go_under_days_of_the_window_or_before(self, source: Source, lake: Lake, settings: Settings) -> None:
        ingest(lake, source, self.entity, self.window, settings, "run")
        for name in entity_of(source, self.entity).table_names:
            assert [entry for entry in lake.partitions(name) if entry["day"] > self.window.last] == []
            assert {entry["source"] for entry in lake.partitions(name)} <= {source.name}

    def test_landing_again_changes_nothing(self, source: Source, lake: Lake, settings: Settings) -> None:
        ingest(lake, source, self.entity, self.window, settings, "first")
        before = self.tables(source, lake)
        ingest(lake, source, self.entity, self.window, settings, "second")
        assert self.tables(source, lake) == before

    def test_one_window_or_two_give_the_same_lake(
        self, source: Source, lake: Lake, settings: Settings, tmp_path: Path
    ) -> None:
        ingest(lake, source, self.entity, self.window, settings, "whole")
        middle = self.window.first + timedelta(days=len(self.window) // 2)
        halves = [
            Window(self.window.first, middle),
            Window(min(middle + timedelta(days=1), self.window.last), self.window.last),
        ]
        in_two = self.fresh(tmp_path / "two")
        for number, half in enumerate(halves):
            ingest(in_two, source, self.entity, half, replace(settings, raw=tmp_path / "two" / "raw"), f"half-{number}")
        assert self.tables(source, in_two) == self.tables(source, lake)

    def test_what_was_received_can_be_landed_again_without_asking(
        self, source: Source, lake: Lake, settings: Settings, tmp_path: Path
    ) -> None:
        ingest(lake, source, self.entity, self.window, settings, "first")
        kept: Sequence[Any] = pulls(settings.raw, source.name, self.entity)
        again = self.fresh(tmp_path / "again")
        for pulled in kept:
            land(again, source, self.entity, pulled, settings, "second")
        assert self.tables(source, again) == self.tables(source, lake)

    def test_an_unknown_entity_is_named_with_those_there_are(
        self, source: Source, lake: Lake, settings: Settings
    ) -> None:
        with pytest.raises(SegmentPipelineError, match=self.entity):
            ingest(lake, source, "nonsense", self.window, settings, "run")

    def test_it_is_a_frozen_declaration(self, source: Any) -> None:
        """What is configured is read by many processes; nothing of it changes while it works."""
        with pytest.raises(AttributeError):
            setattr(source, fields(source)[0].name, "changed")
