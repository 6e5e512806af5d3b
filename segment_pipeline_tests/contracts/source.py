"""The suite every source inherits: what landing relies on, one property per test, against the sandbox over real HTTP.

A subclass says how its connector is made and what a record of one entity looks like; its clock and its faults are the sandbox's.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest

from segment_pipeline import clock
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest, land, pull
from segment_pipeline.landing.raw import Pulled, pulls
from segment_pipeline.landing.source import Source, entity_of
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sandbox.source_world import Client, Version, client, move_clock, world

NEW_YORK = "America/New_York"
JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))
Serve = Callable[[Sequence[Version]], AbstractContextManager[Client]]


def fresh_lake(folder: Path) -> Lake:
    return Lake(str(folder / "lake"), DuckDBEngine(memory="1GB", threads=2, spill=folder / "spill"))


def rows_of(lake: Lake, name: str) -> list[str]:
    """Every row of a table as text, in an order of its own."""
    with lake.session() as session:
        session.scan(name)
        return sorted(str(row) for row in session.rows(f"SELECT * FROM {name}"))


class SourceContract:
    """`page` is the small page size `source` is made with; `table` is what `entity` fills first and `key` its key column."""

    vendor: ClassVar[str]
    entity: ClassVar[str]
    table: ClassVar[str]
    key: ClassVar[str]
    page: ClassVar[int] = 3
    late_days: ClassVar[int] = 1

    def source(self, base_url: str) -> Source:
        raise NotImplementedError

    def record(self, number: int, updated: str, *, text: str = "plain", **more: str) -> Version:
        """A well-formed record; `more`: `seen` and `until` say when the vendor shows it."""
        raise NotImplementedError

    def poison(self, number: int, updated: str) -> Version:
        """A record that cannot be mapped."""
        raise NotImplementedError

    def setting(self) -> list[Version]:
        """Records of other entities that the vendor needs to answer."""
        return []

    def without_secret(self) -> tuple[Source, str]:
        """The source with a secret missing, and the variable that should be named."""
        raise NotImplementedError

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T08:00:00+00:00")
        return replace(Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)}), timezone=NEW_YORK)

    @pytest.fixture
    def lake(self, tmp_path: Path) -> Lake:
        return fresh_lake(tmp_path)

    @pytest.fixture
    def serve(self, tmp_path: Path) -> Serve:
        @contextmanager
        def serving(versions: Sequence[Version]) -> Iterator[Client]:
            world(tmp_path, [*self.setting(), *versions])
            with client(tmp_path, self.vendor) as opened:
                yield opened

        return serving

    def _source(self, http: Client) -> Source:
        return self.source(f"{http.base_url}/{self.vendor}")

    def _keys(self, lake: Lake) -> list[str]:
        with lake.session() as session:
            session.scan(self.table)
            return sorted(row["k"] for row in session.rows(f"SELECT {self.key} AS k FROM {self.table}"))

    def _fault(self, http: Client, kind: str, **rule: Any) -> None:
        assert http.post("/_control/faults", json=[{"vendor": self.vendor, "kind": kind, **rule}]).ok

    def _pulls(self, http: Client, settings: Settings, windows: Sequence[Window]) -> list[Pulled]:
        source = self._source(http)
        return [pull(source, self.entity, window, settings) for window in windows]

    def _landed(
        self, http: Client, folder: Path, settings: Settings, landings: Sequence[tuple[Pulled, Window | None]]
    ) -> list[list[str]]:
        lake, source = fresh_lake(folder), self._source(http)
        for number, (pulled, only) in enumerate(landings):
            land(lake, source, self.entity, pulled, settings, f"run-{number}", only=only)
        tables = [*entity_of(source, self.entity).table_names, "quarantine"]
        return [rows_of(lake, name) for name in tables]

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
    def test_a_listing_is_walked_to_its_end(self, serve: Serve, lake: Lake, settings: Settings, count: int) -> None:
        """Empty, less than a page, exactly one, one more, and several."""
        records = [self.record(number, f"2017-06-{1 + number:02d}T12:00:00") for number in range(count)]
        with serve(records) as http:
            report = ingest(lake, self._source(http), self.entity, JUNE, settings, "run")
        assert (report.received, len(self._keys(lake)), report.quarantined) == (count, count, {})
        assert len(set(self._keys(lake))) == count

    def test_only_rows_of_the_window_land_and_each_under_its_own_company_day(
        self, serve: Serve, lake: Lake, settings: Settings
    ) -> None:
        """03:59:59 UTC is still the day before in New York; both ends of the window hold."""
        times = ["2017-06-01T03:59:59", "2017-06-01T04:00:00", "2017-06-02T03:59:59", "2017-06-02T04:00:00"]
        with serve([self.record(number, updated) for number, updated in enumerate(times)]) as http:
            source = self._source(http)
            pulled = pull(source, self.entity, Window.of(date(2017, 6, 1)), settings)
            land(lake, source, self.entity, pulled, settings, "run", only=Window.of(date(2017, 6, 1)))
        assert {row["day"]: row["rows"] for row in lake.partitions(self.table)} == {date(2017, 6, 1): 2}

    def test_one_window_or_many_give_the_same_lake(self, serve: Serve, tmp_path: Path, settings: Settings) -> None:
        records = [self.record(number, f"2017-06-{1 + number:02d}T12:00:00") for number in range(12)]
        with serve(records) as http:
            whole = self._pulls(http, settings, [JUNE])
            split = self._pulls(
                http,
                settings,
                [Window(date(2017, 6, 1), date(2017, 6, 7)), Window(date(2017, 6, 8), date(2017, 6, 30))],
            )
            one = self._landed(http, tmp_path / "one", settings, [(p, None) for p in whole])
            two = self._landed(http, tmp_path / "two", settings, [(p, None) for p in split])
        assert one == two
        assert len(one[0]) == 12

    def test_the_same_responses_in_any_order_and_twice_give_the_same_lake(
        self, serve: Serve, tmp_path: Path, settings: Settings
    ) -> None:
        """The source moves between the pulls: a record changes, one arrives late, one is malformed."""
        records = [self.record(number, f"2017-06-0{1 + number}T12:00:00") for number in range(9)]
        changed = self.record(2, "2017-06-03T12:00:00", until="2017-06-06T12:00:00")
        later = self.record(2, "2017-06-06T12:00:00", text="changed")
        late = self.record(90, "2017-06-03T12:00:00", seen="2017-06-04T12:00:00")
        good = [self.record(40 + number, "2017-06-02T12:00:00") for number in range(20)]
        broken = self.poison(91, "2017-06-02T12:00:00")
        versions = [*(r for n, r in enumerate(records) if n != 2), *good, changed, later, late, broken]
        days = [Window.of(date(2017, 6, day)) for day in range(1, 9)]
        with serve(versions) as http:
            move_clock(http, "2017-06-04T08:00:00+00:00")
            early = self._pulls(http, settings, [Window(date(2017, 6, 1), date(2017, 6, 3))])
            move_clock(http, "2017-06-28T08:00:00+00:00")
            rest = self._pulls(
                http, settings, [Window(date(2017, 6, 1), date(2017, 6, 5)), Window(date(2017, 6, 4), date(2017, 6, 8))]
            )
            responses = early + rest
            as_ranges = self._landed(http, tmp_path / "ranges", settings, [(p, None) for p in responses])
            in_days = [(p, day) for p in responses for day in days if day.first in p.window]
            shuffled = in_days + in_days[::4]
            random.Random(7).shuffle(shuffled)
            in_disorder = self._landed(http, tmp_path / "disorder", settings, shuffled)
        assert as_ranges == in_disorder
        assert len(as_ranges[0]) >= 29
        assert len(as_ranges[-1]) == 1

    def test_late_records_come_with_the_look_back(self, serve: Serve, lake: Lake, settings: Settings) -> None:
        late = self.record(1, "2017-06-05T12:00:00", seen="2017-06-06T12:00:00")
        with serve([self.record(0, "2017-06-05T12:00:00"), late]) as http:
            source = self._source(http)
            move_clock(http, "2017-06-06T08:00:00+00:00")
            ingest(lake, source, self.entity, Window.of(date(2017, 6, 5)), settings, "first")
            assert len(self._keys(lake)) == 1
            move_clock(http, "2017-06-07T08:00:00+00:00")
            ingest(lake, source, self.entity, Window.of(date(2017, 6, 6)), settings, "second")
        assert len(self._keys(lake)) == 2

    def test_landing_again_changes_nothing(self, serve: Serve, lake: Lake, settings: Settings) -> None:
        with serve([self.record(number, "2017-06-05T12:00:00") for number in range(5)]) as http:
            ingest(lake, self._source(http), self.entity, JUNE, settings, "first")
            before = rows_of(lake, self.table)
            ingest(lake, self._source(http), self.entity, JUNE, settings, "second")
        assert rows_of(lake, self.table) == before

    def test_stored_pages_can_be_landed_again_after_a_restart(
        self, serve: Serve, lake: Lake, tmp_path: Path, settings: Settings
    ) -> None:
        with serve([self.record(number, "2017-06-05T12:00:00") for number in range(5)]) as http:
            ingest(lake, self._source(http), self.entity, JUNE, settings, "first")
            source = self._source(http)
        (kept,) = pulls(settings.raw, source.name, self.entity)
        again = fresh_lake(tmp_path / "again")
        land(again, source, self.entity, kept, settings, "second")
        assert rows_of(again, self.table) == rows_of(lake, self.table)

    def test_a_rate_limit_in_the_vendors_form_is_waited_out(self, serve: Serve, lake: Lake, settings: Settings) -> None:
        with serve([self.record(number, "2017-06-05T12:00:00") for number in range(7)]) as http:
            self._fault(http, "429", times=2)
            ingest(lake, self._source(http), self.entity, JUNE, settings, "run")
        assert len(self._keys(lake)) == 7

    @pytest.mark.parametrize("kind", ["500", "503", "reset", "lost_response", "truncated"])
    def test_a_fault_that_passes_costs_no_row(self, serve: Serve, lake: Lake, settings: Settings, kind: str) -> None:
        with serve([self.record(number, "2017-06-05T12:00:00") for number in range(7)]) as http:
            self._fault(http, kind, times=2, after=1)
            ingest(lake, self._source(http), self.entity, JUNE, settings, "run")
        assert len(self._keys(lake)) == 7

    @pytest.mark.parametrize("kind", ["500", "reset", "truncated"])
    def test_a_fault_that_stays_fails_and_leaves_the_lake_alone(
        self, serve: Serve, lake: Lake, settings: Settings, kind: str
    ) -> None:
        with serve([self.record(number, "2017-06-05T12:00:00") for number in range(7)]) as http:
            ingest(lake, self._source(http), self.entity, JUNE, settings, "first")
            before = rows_of(lake, self.table)
            self._fault(http, kind, rate=1.0)
            with pytest.raises(TransientError):
                ingest(lake, self._source(http), self.entity, JUNE, settings, "second")
        assert rows_of(lake, self.table) == before

    def test_a_malformed_record_is_quarantined_and_the_run_goes_on(
        self, serve: Serve, lake: Lake, settings: Settings
    ) -> None:
        with serve(
            [
                *(self.record(number, "2017-06-05T12:00:00") for number in range(5)),
                self.poison(9, "2017-06-05T12:00:00"),
            ]
        ) as http:
            report = ingest(lake, self._source(http), self.entity, JUNE, settings, "run")
            assert sum(report.quarantined.values()) == 1
            ingest(lake, self._source(http), self.entity, JUNE, settings, "again")
        assert len(self._keys(lake)) == 5
        with lake.session() as session:
            session.scan("quarantine")
            (row,) = session.rows("SELECT source, entity, reason, raw, first_seen FROM quarantine")
        assert (row["source"], row["entity"]) == (self.vendor, self.entity)
        assert row["reason"] in report.quarantined
        assert row["raw"]
        assert row["first_seen"] == clock.now()

    def test_too_many_malformed_records_fail_before_anything_is_replaced(
        self, serve: Serve, lake: Lake, settings: Settings
    ) -> None:
        good = [self.record(number, "2017-06-05T12:00:00") for number in range(20)]
        bad = [self.poison(90 + number, "2017-06-06T12:00:00") for number in range(2)]
        with serve([*good, *bad]) as http:
            with pytest.raises(ContractError, match="2 of 22 records are malformed"):
                ingest(lake, self._source(http), self.entity, JUNE, settings, "run")
        assert lake.version(self.table) is None
        assert lake.version("quarantine") is None

    def test_odd_characters_arrive_as_they_are(self, serve: Serve, lake: Lake, settings: Settings) -> None:
        odd = 'Zoë "Ø" \\ O’Hara \u2028 🎁 日本\n;--'
        with serve([self.record(1, "2017-06-05T12:00:00", text=odd)]) as http:
            ingest(lake, self._source(http), self.entity, JUNE, settings, "run")
        assert odd in self.text_of(lake)

    def text_of(self, lake: Lake) -> list[str]:
        """What became of `text` in the lake."""
        raise NotImplementedError

    def test_pages_changed_after_they_were_received_are_refused(
        self, serve: Serve, lake: Lake, settings: Settings
    ) -> None:
        with serve([self.record(number, "2017-06-05T12:00:00") for number in range(4)]) as http:
            source = self._source(http)
            pulled = pull(source, self.entity, JUNE, settings)
        part = entity_of(source, self.entity).parts[0].name
        with pytest.raises(ContractError, match="hold"):
            land(
                lake,
                source,
                self.entity,
                replace(pulled, files={**pulled.files, part: pulled.files[part][1:]}),
                settings,
                "run",
            )
        assert lake.version(self.table) is None

    def test_loads_tell_what_each_day_got(self, serve: Serve, lake: Lake, settings: Settings) -> None:
        with serve([self.record(1, "2017-06-05T12:00:00"), self.record(2, "2017-06-05T13:00:00")]) as http:
            report = ingest(
                lake, self._source(http), self.entity, Window(date(2017, 6, 4), date(2017, 6, 6)), settings, "run-9"
            )
        with lake.session() as session:
            session.scan("loads")
            rows = session.rows("SELECT * FROM loads WHERE table_name = $table ORDER BY day", table=self.table)
        assert [(row["day"].day, row["rows_landed"], row["rows_total"]) for row in rows] == [
            (4, 0, 0),
            (5, 2, 2),
            (6, 0, 0),
        ]
        assert {(row["asset"], row["run_id"], row["requests"]) for row in rows} == {
            (f"{self.vendor}/{self.entity}", "run-9", report.requests)
        }

    def test_a_missing_secret_names_variable_connector_and_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source, variable = self.without_secret()
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(ConfigError) as caught:
            source.secrets_present()
        for word in (variable, source.name, "SEGMENT_PIPELINE_SOURCES"):
            assert word in str(caught.value)

    def test_wrong_credentials_are_a_persons_business(self, serve: Serve, lake: Lake, settings: Settings) -> None:
        with serve([self.record(1, "2017-06-05T12:00:00")]) as http:
            self._fault(http, "expired_token", rate=1.0)
            with pytest.raises(ConfigError):
                ingest(lake, self._source(http), self.entity, JUNE, settings, "run")

    def test_secrets_are_not_shown(self) -> None:
        shown = repr(self.source("http://127.0.0.1:9/x"))
        assert "sandbox-" not in shown

    def test_an_unknown_entity_is_named_with_those_there_are(self, lake: Lake, settings: Settings) -> None:
        with pytest.raises(SegmentPipelineError, match=self.entity):
            ingest(lake, self.source("http://127.0.0.1:9/x"), "nonsense", JUNE, settings, "run")
