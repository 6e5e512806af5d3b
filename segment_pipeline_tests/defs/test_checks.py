"""Asset checks on literal loads: what the newest of them landed is compared with what the source said of that one."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segment_pipeline.days import Window
from segment_pipeline.defs import checks
from segment_pipeline.defs.ingest import entity_key
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import generated
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.mapping import Fill
from segment_pipeline.landing.source import Entity, Kind
from segment_pipeline.settings import Settings
from segment_pipeline_tests.landing.literal_source import LiteralSource
from segment_pipeline_tests.landing.test_entities import NOTES
from segment_pipeline_tests.profiles.literal_rows import customer, jan, order, refund
from segment_pipeline_tests.profiles.snapshots import Put
from segment_pipeline_tests.profiles.trait_rows import traits

RECORDS = generated(
    "ours/dated",
    "SELECT r.id AS key, CAST($pulled_at AS TIMESTAMPTZ) AS updated_at, CAST(r.day AS DATE) AS day, r.name,"
    " CASE WHEN r.name IS NULL THEN 'no name' END AS reason, CASE WHEN r.name IS NULL THEN 'null' END AS raw"
    """ FROM (SELECT from_json(record, '{"id":"VARCHAR","day":"VARCHAR","name":"VARCHAR"}') AS r FROM raw_notes) AS t""",
)
DATED = replace(NOTES, kind=Kind.MUTABLE, parse=RECORDS, look_back=1)
CLOCK = "SEGMENT_PIPELINE_CLOCK"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(CLOCK, "2017-06-10T08:00:00+00:00")
    return Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)})


def record(key: str, day: int | None, name: str | None = "Ada") -> dict[str, Any]:
    return {"id": key, "name": name, "day": day and f"2017-06-{day:02}"}


def load(
    lake: Lake, settings: Settings, run: str, days: tuple[int, int], *records: dict[str, Any], of: Entity = DATED
) -> None:
    """A load of some days, of which the source says that it has exactly these records."""
    source = LiteralSource((of,), {"notes": [list(records)]}, said=len(records))
    ingest(lake, source, "notes", Window(*(date(2017, 6, day) for day in days)), settings, run)


def matched(lake: Lake, of: Entity = DATED) -> tuple[bool, dict[str, Any]]:
    with lake.session() as session:
        result = next(iter(checks._entity_results(session, "literal", of, entity_key("literal", "notes"))))
    assert result.check_name == "rows_match_source"
    return result.passed, {name: held.value for name, held in result.metadata.items()}


def test_a_tail_of_consent_in_the_run_of_another_load_is_compared_alone(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync asks for the tail at its beginning and again before batches, hours later perhaps: all in one run."""
    load(lake, settings, "run", (8, 9), record("a", 8), record("b", 9), record("c", 9))
    assert matched(lake) == (True, {"landed": 3, "said": 3, "quarantined": 0})
    monkeypatch.setenv(CLOCK, "2017-06-10T09:00:00+00:00")
    load(lake, settings, "run", (9, 10), record("c", 9), record("d", 10))
    assert matched(lake) == (True, {"landed": 2, "said": 2, "quarantined": 0})


def test_what_was_refused_counts_whatever_its_day(lake: Lake, settings: Settings) -> None:
    """One of a day nobody asked for (the look-back's), one that has no day at all."""
    good = [record(f"g{n}", 9) for n in range(60)]
    load(lake, settings, "run", (9, 9), *good, record("before", 8, None), record("undated", None, None))
    assert matched(lake) == (True, {"landed": 60, "said": 62, "quarantined": 2})


def test_an_entity_whose_records_become_other_than_one_row_each_is_not_compared(lake: Lake, settings: Settings) -> None:
    """Of two notes one has a title: the source counts notes, and landing has compared them before it wrote."""
    [whole] = DATED.tables
    some = replace(
        DATED, tables=(Fill("stores", replace(whole.statement, text=f"{whole.statement.text} AND n.key = 'a'")),)
    )
    load(lake, settings, "run", (9, 9), record("a", 9), record("b", 9), of=some)
    assert matched(lake, some) == (True, {"landed": 1, "said": 2, "quarantined": 0})


def test_a_load_of_the_future_does_not_hide_what_landed_since(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was a year ahead for a day (ax 977 met one set back)."""
    monkeypatch.setenv(CLOCK, "2018-06-10T08:00:00+00:00")
    load(lake, settings, "ahead", (9, 9), record("a", 9))
    monkeypatch.setenv(CLOCK, "2017-06-10T09:00:00+00:00")
    load(lake, settings, "right", (9, 9), record("a", 9), record("b", 9))
    assert matched(lake) == (True, {"landed": 2, "said": 2, "quarantined": 0})


def test_rows_that_are_missing_fail_the_check(lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    load(lake, settings, "run", (9, 9), record("a", 9), record("b", 9))
    with lake.session() as session:
        session.scan("loads", alias="held")
        session.append(
            "loads",
            "SELECT * REPLACE (CAST(9 AS BIGINT) AS rows_said, finished_at + INTERVAL 1 HOUR AS finished_at) FROM held",
        )
    monkeypatch.setenv(CLOCK, "2017-06-10T10:00:00+00:00")
    assert matched(lake) == (False, {"landed": 2, "said": 9, "quarantined": 0})


def test_people_whose_spend_is_below_zero_are_counted(lake: Lake, put: Put) -> None:
    """A return that names no order, of who bought nothing, or less, by then; who gave back all of an order is none of them."""
    owners = {"A": "-40", "B": "-10"}
    put("customers", [customer("square", key) for key in (*owners, "C")])
    put(
        "orders",
        [order("square", f"R{key}", jan(2), net, kind="return", customer_key=key) for key, net in owners.items()],
    )
    put("orders", [order("square", f"O{key}", jan(2), "20", customer_key=key) for key in "BC"])
    put("refunds", [refund("square", "F", "OC", jan(3), "20")])
    assert below_zero(lake, jan(1)) == (True, {"people": 0})
    assert below_zero(lake, jan(4)) == (False, {"people": 1})


def below_zero(lake: Lake, as_of: date) -> tuple[bool, dict[str, Any]]:
    traits(lake, as_of)
    settings = Settings.from_env({"SEGMENT_PIPELINE_HOME": f"{lake.root}/home", "SEGMENT_PIPELINE_LAKE": lake.root})
    result = dg.materialize([checks._derived_checks(settings)], selection=dg.AssetSelection.all_asset_checks())
    [found] = [each for each in result.get_asset_check_evaluations() if each.check_name == "spend_is_not_negative"]
    return found.passed, {name: held.value for name, held in found.metadata.items()}
