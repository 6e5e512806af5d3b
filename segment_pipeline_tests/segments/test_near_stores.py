"""People whose place is near a store: literal stores, and those of the lake."""

from datetime import date, timedelta
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.evaluate import World
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import near_store
from segment_pipeline_tests.profiles.literal_rows import at
from segment_pipeline_tests.segments.conftest import DAY, person, segment, who
from segment_pipeline_tests.segments.test_changed_meanings import SETTINGS, put_day


@pytest.mark.also_on_spark("profiles/compiler/stores", "profiles/facts/stores_as_of")
def test_near_a_store_is_near_one_that_is_there_where_it_is_by_then(lake: Lake) -> None:
    dayton = {"lat": 39.7589, "lon": -84.1916}
    stores: list[dict[str, Any]] = [
        {"store_key": "7", "lat": 39.1031, "lon": -84.5120},
        {"store_key": "8", **dayton, "deleted_on": DAY},
        {"store_key": "9", **dayton, "day": DAY - timedelta(days=9)},
        {"store_key": "9", "lat": 39.9612, "lon": -82.9988},
        {"store_key": "10", "lat": None, "lon": -84.5120},
    ]
    places = {"cincinnati": (39.1031, -84.5120), "dayton": (39.7589, -84.1916), "columbus": (39.9612, -82.9988)}
    people = World(
        DAY,
        [*(person(name, lat=lat, lon=lon) for name, (lat, lon) in places.items()), person("nowhere")],
        stores=stores,
    )
    assert who(lake, near_store(1), people) == {"cincinnati", "columbus"}
    assert who(lake, near_store(80, store="7"), people) == {"cincinnati", "dayton"}
    assert who(lake, near_store(1, store=("8", "9")), people) == {"columbus"}
    assert who(lake, near_store(1, store="nobody's"), people) == set()


def test_a_run_reads_the_stores_of_the_day(lake: Lake, put: Any) -> None:
    put_day(lake, date(2017, 12, 1), {"ann": 1}, lat=39.1031, lon=-84.5120)
    store = {"source": "till", "store_key": "7", "lat": 39.1031, "lon": -84.5120}
    put("stores", [store | {"updated_at": at(date(2017, 12, 1)), "day": date(2017, 12, 1)}])
    near = [segment("near", near_store(5)), segment("elsewhere", near_store(5, store="8"))]
    report = build_memberships(lake, date(2017, 12, 1), near, SETTINGS)
    assert report.sizes == {"near": 1, "elsewhere": 0}
