"""One set of rules for time zones: the engine's, whatever the system's zone data say."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from segment_pipeline import zones
from segment_pipeline.days import AsOf, Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.readiness import check_clock
from segment_pipeline.settings import Settings
from segment_pipeline_tests.landing.literal_source import LiteralSource
from segment_pipeline_tests.landing.test_mapping import PEOPLE

# Zones whose rules changed in the last years, moved across the date line, change by half an hour, or keep summer by the moon.
ODD = ("America/Vancouver", "Africa/Casablanca", "Pacific/Apia", "Australia/Lord_Howe", "Europe/Amsterdam", "UTC")


@pytest.mark.parametrize("name", ODD)
def test_python_and_the_engine_have_the_same_local_time_at_every_instant(lake: Lake, name: str) -> None:
    zone, instants = (
        zones.zone(name),
        [datetime(1930, 1, 1, tzinfo=UTC) + timedelta(hours=29 * n) for n in range(45_000)],
    )
    with lake.session() as session:
        rows = session.table(
            "SELECT t, timezone($zone, t) AS local FROM (SELECT TIMESTAMPTZ '1930-01-01' + n * INTERVAL 29 HOUR AS t"
            " FROM (SELECT unnest(range(45000)) AS n)) ORDER BY t",
            zone=name,
        )
    assert rows.column("t").to_pylist() == instants
    assert rows.column("local").to_pylist() == [each.astimezone(zone).replace(tzinfo=None) for each in instants]


@pytest.mark.parametrize("name", ODD)
def test_a_window_holds_exactly_the_instants_whose_day_the_engine_puts_into_it(lake: Lake, name: str) -> None:
    """The night on which the system's rules for Vancouver and the engine's part is one of them."""
    with lake.session() as session:
        for first in (date(2026, 11, 1), date(2026, 11, 9), date(2027, 3, 13), date(2011, 12, 29)):
            start, end = Window(first, first + timedelta(days=2)).instants(name)
            around = [start - timedelta(microseconds=1), start, end - timedelta(microseconds=1), end]
            days = [session.value("SELECT CAST(timezone($zone, $t) AS DATE)", zone=name, t=each) for each in around]
            assert [day in Window(first, first + timedelta(days=2)) for day in days] == [False, True, True, False]
            assert [AsOf.at(each, name).day for each in around] == days


def test_a_zone_the_engine_does_not_know_is_none() -> None:
    for name in ("", "Mars/Olympus", "localtime", "../etc/passwd"):
        with pytest.raises(ZoneInfoNotFoundError):
            zones.zone(name)


def test_what_the_system_says_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path), "SEGMENT_PIPELINE_TIMEZONE": "Europe/Berlin"})
    assert check_clock(settings) is None
    monkeypatch.setattr("segment_pipeline.readiness.ZoneInfo", lambda _: ZoneInfo("Africa/Lagos"))
    assert (said := check_clock(settings)) is not None
    assert "the system's zone data has another time in Europe/Berlin from " in said


def test_a_record_of_a_night_two_libraries_put_on_different_days_is_not_lost(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the window is pulled by, its records are of its days: without a look-back they would never come again."""
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2026-12-01T08:00:00+00:00")
    settings = Settings.from_env(
        {"SEGMENT_PIPELINE_HOME": str(tmp_path), "SEGMENT_PIPELINE_TIMEZONE": "America/Vancouver"}
    )
    landed = 0
    for day in (date(2026, 11, 9), date(2026, 11, 10), date(2026, 11, 11)):
        start, end = Window.of(day).instants(settings.timezone)
        times = [start, start + timedelta(minutes=30), end - timedelta(minutes=30)]
        records = [
            {"id": f"{day}-{n}", "changed": at.isoformat(), "made": "2016-01-01T00:00:00Z"}
            for n, at in enumerate(times)
        ]
        source = LiteralSource((PEOPLE,), {"people": [records]})
        landed += ingest(lake, source, "people", Window.of(day), settings, "run").rows["customers"]
    assert landed == 9
