"""Files are landed when they arrive, once two looks find them the same; a table others keep has its upstream asset in the graph."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.definitions import build_definitions
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.tabular import Const, each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.files.connector import Files
from segment_pipeline.sources.kept.connector import Kept, KeptTable
from segment_pipeline_tests.sources.files.till import HEADER, Drop, rows, till

LINE = "1;A;1;1,50;05/06/2017 09:30;ada;NL"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-06-11T08:00:00+00:00")
    days = {"SEGMENT_PIPELINE_START": "2017-06-01", "SEGMENT_PIPELINE_END": "2017-06-09"}
    return Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)} | days)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def definitions(settings: Settings, *sources: Files | Kept) -> dg.Definitions:
    return build_definitions(Catalogue(sources=sources, destinations=(), segments=()), settings)


def test_a_file_is_landed_once_two_looks_find_it_the_same(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    drop = Drop(tmp_path / "drop")
    drop.folder.mkdir()
    found = definitions(settings, till(drop.folder))
    sensor = found.resolve_sensor_def("till_arrivals")

    def tick(cursor: str | None) -> tuple[list[dg.RunRequest], str | None]:
        result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
        assert isinstance(result, dg.SensorResult)
        return list(result.run_requests or ()), result.cursor

    requests, cursor = tick(None)
    assert requests == []
    drop("sales-1.csv", HEADER, LINE)
    requests, cursor = tick(cursor)
    assert requests == [], "one look does not tell whether it is whole"
    drop("sales-1.csv", HEADER, LINE, LINE)
    requests, cursor = tick(cursor)
    assert requests == [], "it grew between the looks"
    (request,), cursor = tick(cursor)
    assert request.partition_key == "2017-06-09"
    assert request.asset_selection == [dg.AssetKey(["till", "sales"])]
    (again,), cursor = tick(cursor)
    assert again.run_key == request.run_key, "while its run is under way no other is started"

    job = found.resolve_job_def("refresh")
    result = job.execute_in_process(
        instance=instance, asset_selection=request.asset_selection, partition_key=request.partition_key
    )
    assert result.success
    assert rows(Lake.open(settings), "orders", "order_key, day") != []
    requests, cursor = tick(cursor)
    assert requests == []
    assert json.loads(cursor or "") == {"sales": []}


def test_a_place_out_of_reach_is_said_and_looked_at_again(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    sensor = definitions(settings, till(tmp_path / "nowhere")).resolve_sensor_def("till_arrivals")
    said = sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(said, dg.SkipReason)
    assert "till: its folder is not there" in str(said.skip_message)


def test_what_writes_a_kept_table_is_upstream_of_it(settings: Settings, tmp_path: Path) -> None:
    fill = each("orders", order_key="id", channel=Const("web"), net="paid")
    table = KeptTable(
        "orders", place=str(tmp_path), at="when", currency=Const("EUR"), fills=(fill,), upstream="dlt/orders"
    )
    graph = definitions(
        settings, Kept(name="lakehouse", tables=(table, replace(table, name="more", upstream="")))
    ).resolve_asset_graph()
    assert dg.AssetKey(["dlt", "orders"]) in graph.get(dg.AssetKey(["lakehouse", "orders"])).parent_keys
    assert not graph.get(dg.AssetKey(["lakehouse", "more"])).parent_keys
