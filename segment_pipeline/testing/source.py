"""The suites of a source: what landing relies on, and, where a server plays its vendor, what a network adds. One property per test.

Over whatever stands on the other side, `records` usable records in `window` among it:

    class TestTill(SourceContract):
        entity, window, records = "sales", Window(date(2026, 3, 1), date(2026, 3, 31)), 42
        @pytest.fixture
        def source(self, …): return Till(base_url=…)

Over a server that is given records; it asks for pages, ends of windows, late records, faults and odd records as well:

    TestTillSales = source_contract(TILL, entity="sales", records=SALES)

What landing does with records is the same for all sources, and not asked here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest

from segment_pipeline.connector import ConnectorKind, Described, fields_of, value
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.landing import ingest, land, pull
from segment_pipeline.landing.raw import pulls
from segment_pipeline.landing.report import IngestReport
from segment_pipeline.landing.source import Source, entity_of
from segment_pipeline.settings import Settings

JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))
PAGE = 3
NOON = "2017-06-05T12:00:00"


class Server(Protocol):
    """Plays a vendor. Its clock stands at 2018-01-01 until it is moved."""

    @property
    def base_url(self) -> str: ...

    def at(self, instant: str) -> None:
        """Move the vendor's clock: it shows what it had by then."""

    def fault(self, kind: str, **rule: Any) -> None:
        """Answer a request with `429`, `500` or `expired_token` in the vendor's form, or break it: `reset`, `lost_response` (carried
        out, not answered), `truncated`. `times`: so often; `after`: so many good ones first; `rate=1.0`: from now on always.
        """

    def mend(self) -> None:
        """Forget the faults."""


@dataclass(frozen=True)
class Vendor:
    """`source` makes the connector for a base URL, with pages of PAGE records. `serve` plays the vendor with these records.

    `setting`: records it needs to answer.
    """

    name: str
    source: Callable[[str], Source]
    serve: Callable[[Path, Sequence[Any]], AbstractContextManager[Server]]
    setting: Sequence[Any] = ()


@dataclass(frozen=True)
class Records:
    """Records of one entity. `good(number, updated, text=…, visible=…)` is one usable record that says `text`, in `column` of a table
    with one row for each; `visible`: {"seen": …} when the vendor shows it. `poison(number, updated)`: one that cannot be mapped.
    """

    good: Callable[..., Any]
    poison: Callable[[int, str], Any]
    column: str


def rows_of(lake: Lake, name: str) -> list[str]:
    """Every row of a table as text, in an order of its own; but for when it was read, which differs each time it is."""
    columns = ", ".join(quote(column) for column in table(name).names if column != "pulled_at")
    with lake.session() as session:
        session.scan(name)
        return sorted(str(row) for row in session.rows(f"SELECT {columns} FROM {name}"))


class _Source:
    """What is asked of every source."""

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

    def test_everything_of_the_window_lands_under_days_of_it_or_before(
        self, source: Source, lake: Lake, settings: Settings
    ) -> None:
        """What is received is landed or quarantined, and as much as the source says there is."""
        report = ingest(lake, source, self.entity, self.window, settings, "run")
        assert report.received == self.records + sum(report.quarantined.values())
        assert report.said in (None, report.received)
        names = entity_of(source, self.entity).table_names
        assert report.rows[names[0]] > 0
        landed = [entry for name in names for entry in lake.partitions(name)]
        assert [entry for entry in landed if entry["day"] > self.window.last] == []
        assert {entry["source"] for entry in landed} <= {source.name}

    def test_it_is_a_frozen_declaration(self, source: Any) -> None:
        """What is configured is read by many processes; nothing of it changes while it works."""
        with pytest.raises(AttributeError):
            setattr(source, fields(source)[0].name, "changed")


class SourceContract(_Source):
    """`entity`: the one asked for; `window`: days in which the other side has `records` usable records of it, and no others."""

    def test_one_window_two_and_what_was_kept_give_the_same_lake(
        self, source: Source, lake: Lake, settings: Settings, tmp_path: Path
    ) -> None:
        """Asked again, in other windows, and landed again over what is held, from the pages of the first time."""
        ingest(lake, source, self.entity, self.window, settings, "whole")
        (kept,) = pulls(settings.raw, source.name, self.entity)
        middle = self.window.first + timedelta(days=len(self.window) // 2)
        behind = min(middle + timedelta(days=1), self.window.last)
        in_two = self.fresh(tmp_path / "two")
        for half in (Window(self.window.first, middle), Window(behind, self.window.last)):
            ingest(in_two, source, self.entity, half, settings, "half")
        assert self.tables(source, in_two) == self.tables(source, lake)
        land(in_two, source, self.entity, kept, settings, "again")
        assert self.tables(source, in_two) == self.tables(source, lake)

    def tables(self, source: Source, lake: Lake) -> list[list[str]]:
        return [rows_of(lake, name) for name in entity_of(source, self.entity).table_names]


def source_contract(vendor: Vendor, *, entity: str, records: Records) -> type[_Source]:
    """The suite for one entity; assign it to a name that pytest collects."""
    return type("PlayedSource", (_PlayedSource,), {"vendor": vendor, "entity": entity, "given": records})


class _PlayedSource(_Source):
    """Over seven records of June, and over those that each test gives the vendor."""

    vendor: ClassVar[Vendor]
    given: ClassVar[Records]
    window, records, timezone = JUNE, 7, "America/New_York"

    @pytest.fixture(autouse=True)
    def _new_years_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T08:00:00+00:00")

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
        made = [cls.given.good(n, f"2017-06-{1 + 4 * n:02d}T12:00:00", text=f"t{n}") for n in range(cls.records)]
        with cls.serve(tmp_path_factory.mktemp("served"), *made) as server:
            yield cls.vendor.source(server.base_url)

    @classmethod
    def serve(cls, folder: Path, *records: Any) -> AbstractContextManager[Server]:
        return cls.vendor.serve(folder, [*cls.vendor.setting, *records])

    def ingest(self, server: Server, lake: Lake, settings: Settings, window: Window = JUNE) -> IngestReport:
        return ingest(lake, self.vendor.source(server.base_url), self.entity, window, settings, "run")

    def landed(self, lake: Lake) -> list[Any]:
        """What each record said."""
        table, column = self.given.column.split(".")
        with lake.session() as session:
            session.scan(table)
            return [_one(row[column]) for row in session.rows(f"SELECT {column} FROM {table} ORDER BY ALL")]

    def pulled(self, server: Server, settings: Settings, window: Window = JUNE) -> int:
        """How many records came."""
        source = self.vendor.source(server.base_url)
        return pull(source, self.entity, window, settings).records.get(entity_of(source, self.entity).parts[0].name, 0)

    def test_a_listing_is_walked_to_its_end(self, tmp_path: Path, lake: Lake, settings: Settings) -> None:
        """Empty, one, exactly a page, one more, and several; in windows so far apart that no look-back joins them."""
        sizes = {3: 1, 9: PAGE, 15: PAGE + 1, 21: 2 * PAGE + 1, 27: 0}
        days = [day for day, size in sizes.items() for _ in range(size)]
        made = [self.given.good(n, f"2017-06-{day:02d}T12:00:00", text=f"t{n:02d}") for n, day in enumerate(days)]
        with self.serve(tmp_path, *made) as server:
            found = {day: self.pulled(server, settings, Window.of(date(2017, 6, day))) for day in sizes}
            report = self.ingest(server, lake, settings)
        assert found == sizes
        assert (report.received, report.quarantined) == (len(days), {})
        assert self.landed(lake) == [f"t{n:02d}" for n in range(len(days))]

    def test_both_ends_of_a_window_are_company_days(self, tmp_path: Path, lake: Lake, settings: Settings) -> None:
        """03:59:59 UTC is still the day before in New York. A look-back would hide a start that is too late."""
        times = ["2017-06-01T03:59:59", "2017-06-01T04:00:00", "2017-06-02T03:59:59", "2017-06-02T04:00:00"]
        with self.serve(tmp_path, *(self.given.good(n, at, text=f"t{n}") for n, at in enumerate(times))) as server:
            source: Any = self.vendor.source(server.base_url)
            exact = replace(source, look_back=0) if hasattr(source, "look_back") else source
            ingest(lake, exact, self.entity, Window.of(date(2017, 6, 1)), settings, "run")
        table = self.given.column.split(".")[0]
        assert {e["day"]: e["rows"] for e in lake.partitions(table)}[date(2017, 6, 1)] == 2
        assert self.landed(lake)[-2:] == ["t1", "t2"]

    def test_late_records_come_with_the_look_back(self, tmp_path: Path, lake: Lake, settings: Settings) -> None:
        late = self.given.good(1, NOON, text="late", visible={"seen": "2017-06-06T12:00:00"})
        with self.serve(tmp_path, self.given.good(0, NOON), late) as server:
            server.at("2017-06-06T08:00:00+00:00")
            self.ingest(server, lake, settings, Window.of(date(2017, 6, 5)))
            assert len(self.landed(lake)) == 1
            server.at("2017-06-07T08:00:00+00:00")
            self.ingest(server, lake, settings, Window.of(date(2017, 6, 6)))
        assert self.landed(lake) == ["late", "plain"]

    def test_faults_that_pass_cost_no_record(self, tmp_path: Path, settings: Settings) -> None:
        with self.serve(tmp_path, *(self.given.good(n, NOON) for n in range(7))) as server:
            for kinds in (("429", "429"), ("500", "truncated"), ("reset", "lost_response", "503")):
                for after, kind in enumerate(kinds):
                    server.fault(kind, times=1, after=after)
                assert self.pulled(server, settings) == 7, kinds
                server.mend()

    def test_a_fault_that_stays_fails_and_leaves_the_lake_alone(
        self, tmp_path: Path, lake: Lake, settings: Settings
    ) -> None:
        with self.serve(tmp_path, self.given.good(1, NOON, text="before")) as server:
            self.ingest(server, lake, settings)
            for kind in ("500", "truncated"):
                server.fault(kind, rate=1.0)
                with pytest.raises(TransientError):
                    self.ingest(server, lake, settings)
                server.mend()
        assert self.landed(lake) == ["before"]

    def test_a_record_that_cannot_be_mapped_is_quarantined_and_odd_characters_arrive_as_they_are(
        self, tmp_path: Path, lake: Lake, settings: Settings
    ) -> None:
        odd = 'Zoë "Ø" \\ O’Hara \u2028 🎁 日本\n;--'
        made = [self.given.good(1, NOON, text=odd), self.given.good(2, NOON), self.given.poison(9, NOON)]
        with self.serve(tmp_path, *made) as server:
            report = self.ingest(server, lake, settings)
        assert sum(report.quarantined.values()) == 1
        assert odd in self.landed(lake)
        with lake.session() as session:
            session.scan("quarantine")
            (row,) = session.rows("SELECT source, entity, reason, raw FROM quarantine")
        assert (row["source"], row["entity"], row["reason"]) == (self.vendor.name, self.entity, *report.quarantined)
        assert row["raw"]

    def test_wrong_credentials_are_a_persons_business(self, tmp_path: Path, lake: Lake, settings: Settings) -> None:
        with self.serve(tmp_path, self.given.good(1, NOON)) as server:
            self.vendor.source(server.base_url).check()
            server.fault("expired_token", rate=1.0)
            with pytest.raises(ConfigError):
                self.ingest(server, lake, settings)
            with pytest.raises(ConfigError):
                self.vendor.source(server.base_url).check()


def _one(said: Any) -> Any:
    return said[0] if isinstance(said, list) else said
