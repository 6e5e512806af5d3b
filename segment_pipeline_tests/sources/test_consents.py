"""The tail of consent: whoever was asked a moment ago is not asked again, everybody else is, or nothing may be sent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from segment_pipeline import clock
from segment_pipeline.errors import TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.consents import SAYS_NO, refresh_consents
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sources.conftest import connector

Put = Callable[[str, list[dict[str, Any]]], None]
NOBODY = "http://127.0.0.1:9"


def put_loads(put: Put, source: Source, settings: Settings, *, minutes_ago: int) -> None:
    today, finished = clock.today(settings.timezone), clock.now() - timedelta(minutes=minutes_ago)
    numbers = dict.fromkeys(("rows_landed", "rows_total", "rows_quarantined", "rows_back_projected", "requests"), 1)
    loads = [
        {
            "source": source.name, "asset": f"{source.name}/{entity.name}", "run_id": f"r{days}", "table_name": name,
            "finished_at": finished - timedelta(days=days), "day": today - timedelta(days=days), **numbers,
        }
        for entity in source.entities for name in entity.table_names if name in SAYS_NO for days in (0, 1)
    ]  # fmt: skip
    assert loads
    put("loads", loads)


@pytest.mark.also_on_spark("landing/newest_day")
def test_what_was_asked_a_moment_ago_is_not_asked_again(lake: Lake, put: Put, settings: Settings) -> None:
    source = connector("amplitude", NOBODY)
    put_loads(put, source, settings, minutes_ago=1)
    refresh_consents(lake, {source.name: source}, settings, "run")


def test_an_answer_of_the_future_is_none(lake: Lake, put: Put, settings: Settings) -> None:
    """ax 977: the clock was set back within a day, and withdrawals were not seen."""
    source = connector("amplitude", NOBODY)
    put_loads(put, source, settings, minutes_ago=-60)
    with pytest.raises(TransientError):
        refresh_consents(lake, {source.name: source}, settings, "run")


def test_a_clock_ahead_does_not_hide_what_was_asked_before(lake: Lake, put: Put, settings: Settings) -> None:
    source = connector("amplitude", NOBODY)
    put_loads(put, source, settings, minutes_ago=1)
    put_loads(put, source, settings, minutes_ago=-3 * 24 * 60)
    refresh_consents(lake, {source.name: source}, settings, "run")


def test_older_answers_are_asked_for_again(lake: Lake, put: Put, settings: Settings) -> None:
    source = connector("amplitude", NOBODY)
    put_loads(put, source, settings, minutes_ago=6)
    with pytest.raises(TransientError):
        refresh_consents(lake, {source.name: source}, settings, "run")


def test_a_source_that_is_down_costs_the_others_nothing(
    lake: Lake, put: Put, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ingest(lake: Lake, source: Source, *_: Any) -> None:
        asked.append(source.name)
        if source.name == "amplitude":
            raise TransientError("amplitude was busy")

    monkeypatch.setattr("segment_pipeline.landing.consents.ingest", ingest)
    sources = {name: connector(name, NOBODY) for name in ("amplitude", "shopify")}
    with pytest.raises(TransientError, match="amplitude was busy"):
        refresh_consents(lake, sources, settings, "run")
    assert set(asked) == {"amplitude", "shopify"}
