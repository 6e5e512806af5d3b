"""The suite every source inherits: what is a vendor's own, one property per test, over real HTTP against a server that plays it.

What landing does with records is not asked here: it is the same for all, and tested over a literal source. Needs pytest and what
plays the vendor, nothing of ours but the package:

    TestTillOrders = source_contract(TILL, entity="orders", records=ORDERS)
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.report import IngestReport
from segment_pipeline.landing.source import Source
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


@dataclass(frozen=True)
class Vendor:
    """`source` makes the connector for a base URL, with pages of PAGE records. `serve` plays the vendor with these records.

    `unset`: the connector with a secret missing, and the variable that should be named. `setting`: records it needs to answer.
    """

    name: str
    source: Callable[[str], Source]
    serve: Callable[[Path, Sequence[Any]], AbstractContextManager[Server]]
    unset: tuple[Source, str]
    setting: Sequence[Any] = ()


@dataclass(frozen=True)
class Records:
    """Records of one entity. `good(number, updated, text=…, visible=…)` is one usable record that says `text`, in `column` of a table
    with one row for each; `visible`: {"seen": …} when the vendor shows it. `poison(number, updated)`: one that cannot be mapped.
    """

    good: Callable[..., Any]
    poison: Callable[[int, str], Any]
    column: str


def source_contract(vendor: Vendor, *, entity: str, records: Records) -> type["SourceContract"]:
    """The suite for one entity; assign it to a name that pytest collects."""
    return type("SourceContract", (SourceContract,), {"vendor": vendor, "entity": entity, "records": records})


class SourceContract:
    vendor: ClassVar[Vendor]
    entity: ClassVar[str]
    records: ClassVar[Records]

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T08:00:00+00:00")
        return replace(Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)}), timezone="America/New_York")

    @pytest.fixture
    def lake(self, tmp_path: Path) -> Lake:
        return Lake(str(tmp_path / "lake"), DuckDBEngine(memory="1GB", threads=2, spill=tmp_path / "spill"))

    def serve(self, folder: Path, *records: Any) -> AbstractContextManager[Server]:
        return self.vendor.serve(folder, [*self.vendor.setting, *records])

    def ingest(self, server: Server, lake: Lake, settings: Settings, window: Window = JUNE) -> IngestReport:
        return ingest(lake, self.vendor.source(server.base_url), self.entity, window, settings, "run")

    def landed(self, lake: Lake) -> list[Any]:
        """What each record said."""
        table, column = self.records.column.split(".")
        with lake.session() as session:
            session.scan(table)
            return [row[column] for row in session.rows(f"SELECT {column} FROM {table} ORDER BY ALL")]

    @pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 2 * PAGE + 1])
    def test_a_listing_is_walked_to_its_end(self, tmp_path: Path, lake: Lake, settings: Settings, count: int) -> None:
        """Empty, one, exactly a page, one more, and several."""
        made = [self.records.good(n, f"2017-06-{1 + n:02d}T12:00:00", text=f"t{n}") for n in range(count)]
        with self.serve(tmp_path, *made) as server:
            report = self.ingest(server, lake, settings)
        assert (report.received, report.quarantined) == (count, {})
        assert [str(f"t{n}") for n in range(count)] == [_one(said) for said in self.landed(lake)]

    def test_both_ends_of_a_window_are_company_days(self, tmp_path: Path, lake: Lake, settings: Settings) -> None:
        """03:59:59 UTC is still the day before in New York."""
        times = ["2017-06-01T03:59:59", "2017-06-01T04:00:00", "2017-06-02T03:59:59", "2017-06-02T04:00:00"]
        with self.serve(tmp_path, *(self.records.good(n, at, text=f"t{n}") for n, at in enumerate(times))) as server:
            self.ingest(server, lake, settings, Window.of(date(2017, 6, 1)))
        table = self.records.column.split(".")[0]
        assert {e["day"]: e["rows"] for e in lake.partitions(table)}[date(2017, 6, 1)] == 2
        assert [_one(said) for said in self.landed(lake)][-2:] == ["t1", "t2"]

    def test_late_records_come_with_the_look_back(self, tmp_path: Path, lake: Lake, settings: Settings) -> None:
        late = self.records.good(1, NOON, text="late", visible={"seen": "2017-06-06T12:00:00"})
        with self.serve(tmp_path, self.records.good(0, NOON), late) as server:
            server.at("2017-06-06T08:00:00+00:00")
            self.ingest(server, lake, settings, Window.of(date(2017, 6, 5)))
            assert len(self.landed(lake)) == 1
            server.at("2017-06-07T08:00:00+00:00")
            self.ingest(server, lake, settings, Window.of(date(2017, 6, 6)))
        assert [_one(said) for said in self.landed(lake)] == ["late", "plain"]

    @pytest.mark.parametrize("kinds", [("429", "429"), ("500", "truncated"), ("reset", "lost_response", "503")])
    def test_faults_that_pass_cost_no_row(
        self, tmp_path: Path, lake: Lake, settings: Settings, kinds: tuple[str, ...]
    ) -> None:
        with self.serve(tmp_path, *(self.records.good(n, NOON, text=f"t{n}") for n in range(7))) as server:
            for after, kind in enumerate(kinds):
                server.fault(kind, times=1, after=after)
            self.ingest(server, lake, settings)
        assert len(self.landed(lake)) == 7

    @pytest.mark.parametrize("kind", ["500", "truncated"])
    def test_a_fault_that_stays_fails_and_leaves_the_lake_alone(
        self, tmp_path: Path, lake: Lake, settings: Settings, kind: str
    ) -> None:
        with self.serve(tmp_path, self.records.good(1, NOON, text="before")) as server:
            self.ingest(server, lake, settings)
            server.fault(kind, rate=1.0)
            with pytest.raises(TransientError):
                self.ingest(server, lake, settings)
        assert [_one(said) for said in self.landed(lake)] == ["before"]

    def test_a_record_that_cannot_be_mapped_is_quarantined_and_odd_characters_arrive_as_they_are(
        self, tmp_path: Path, lake: Lake, settings: Settings
    ) -> None:
        odd = 'Zoë "Ø" \\ O’Hara \u2028 🎁 日本\n;--'
        made = [self.records.good(1, NOON, text=odd), self.records.good(2, NOON), self.records.poison(9, NOON)]
        with self.serve(tmp_path, *made) as server:
            report = self.ingest(server, lake, settings)
        assert sum(report.quarantined.values()) == 1
        assert odd in [_one(said) for said in self.landed(lake)]
        with lake.session() as session:
            session.scan("quarantine")
            (row,) = session.rows("SELECT source, entity, reason, raw FROM quarantine")
        assert (row["source"], row["entity"], row["reason"]) == (self.vendor.name, self.entity, *report.quarantined)
        assert row["raw"]

    def test_wrong_credentials_are_a_persons_business(self, tmp_path: Path, lake: Lake, settings: Settings) -> None:
        with self.serve(tmp_path, self.records.good(1, NOON)) as server:
            self.vendor.source(server.base_url).check()
            server.fault("expired_token", rate=1.0)
            with pytest.raises(ConfigError):
                self.ingest(server, lake, settings)
            with pytest.raises(ConfigError):
                self.vendor.source(server.base_url).check()

    def test_a_missing_secret_names_variable_connector_and_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source, variable = self.vendor.unset
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(ConfigError) as caught:
            source.secrets_present()
        for word in (variable, source.name, "SEGMENT_PIPELINE_SOURCES"):
            assert word in str(caught.value)

    def test_secrets_are_not_shown(self) -> None:
        assert "sandbox-" not in repr(self.vendor.source("http://127.0.0.1:9/x"))


def _one(said: Any) -> Any:
    return said[0] if isinstance(said, list) else said
