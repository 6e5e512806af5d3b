"""The clock can be pinned, and says clearly when it cannot."""

from datetime import UTC, date, datetime

import pytest

from segment_pipeline import clock
from segment_pipeline.days import AsOf, Window
from segment_pipeline.errors import ConfigError


def test_a_pinned_clock_gives_its_instant_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "2018-01-01T01:30:00+02:00")
    assert clock.now() == datetime(2017, 12, 31, 23, 30, tzinfo=UTC)
    assert clock.today("Asia/Tokyo") == date(2018, 1, 1)


@pytest.mark.parametrize("text", ["yesterday", "2018-01-01T00:00:00"])
def test_an_unreadable_pin_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(clock.VARIABLE, text)
    with pytest.raises(ConfigError, match=clock.VARIABLE):
        clock.now()


def test_a_window_of_the_day_clocks_change_has_23_or_25_hours() -> None:
    lengths = []
    for day in (date(2017, 3, 26), date(2017, 10, 29), date(2017, 6, 1)):
        start, end = Window.of(day).instants("Europe/Berlin")
        lengths.append((end - start).total_seconds() / 3600)
    assert lengths == [23, 25, 24]


def test_an_as_of_ends_where_the_next_company_day_begins() -> None:
    autumn = AsOf(date(2017, 10, 29), "Europe/Berlin")
    assert autumn.start == datetime(2017, 10, 28, 22, tzinfo=UTC)
    assert autumn.end == datetime(2017, 10, 29, 23, tzinfo=UTC)
    assert autumn.back(29) == date(2017, 9, 30)


def test_an_instant_is_as_of_the_company_day_it_falls_on() -> None:
    late = datetime(2017, 12, 31, 23, 30, tzinfo=UTC)
    assert AsOf.at(late, "Europe/Berlin") == AsOf(date(2018, 1, 1), "Europe/Berlin")
    assert AsOf.at(late, "America/New_York").day == date(2017, 12, 31)
    with pytest.raises(ValueError, match="time zone"):
        AsOf.at(datetime(2017, 12, 31), "UTC")
