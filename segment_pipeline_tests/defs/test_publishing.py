"""Publishing as Dagster runs it: present only where a database is set, after the new day, and never in a backfill."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.definitions import build_definitions
from segment_pipeline.segments.rules import Segment, trait
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import run_cli
from segment_pipeline_tests.publishing.company import MONDAY, Company, person

OURS = Catalogue(
    sources=(),
    destinations=(),
    segments=tuple(
        Segment(name, owner="team:crm", goal="orders", description=name, where=trait("orders_total") > 1)
        for name in ("vip", "new")
    ),
)
AFTER = datetime(2017, 6, 6, 8, 0, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def settings(home: Path, **values: str) -> Settings:
    given = {"HOME": str(home), "START": "2017-01-01", "SOURCES": "none", "DESTINATIONS": "none"} | values
    return Settings.from_env({f"SEGMENT_PIPELINE_{name}": value for name, value in given.items()})


def warehouse(home: Path) -> str:
    return f"sqlite:///{home / 'warehouse.sqlite'}"


def test_nothing_is_published_where_no_database_is_set(tmp_path: Path) -> None:
    definitions = build_definitions(OURS, settings(tmp_path))
    assert {job.name for job in definitions.resolve_all_job_defs()} >= {"refresh", "sync"}
    assert "publish" not in {job.name for job in definitions.resolve_all_job_defs()}
    assert "published" not in {spec.group_name for spec in definitions.resolve_all_asset_specs()}


def test_published_tables_are_assets_of_their_own_job_and_show_what_they_hold(tmp_path: Path) -> None:
    definitions = build_definitions(OURS, settings(tmp_path, PUBLISH=warehouse(tmp_path)))
    job = definitions.resolve_job_def("publish")
    assert job.partitions_def is None
    keys = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
    assert keys == {"published/profiles", "published/traits", "published/memberships"}
    for other in ("refresh", "sync"):
        assert not keys & {
            k.to_user_string() for k in definitions.resolve_job_def(other).asset_layer.selected_asset_keys
        }
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    for key in keys:
        shown = [column.name for column in specs[key].metadata["dagster/column_schema"].columns]
        assert "profile_id" in shown
        assert not {"as_of", "email", "birth_date"} & set(shown)
        assert specs[key].owners
        assert specs[key].description


def test_the_job_publishes_and_its_assets_carry_the_numbers(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    company = Company(tmp_path, warehouse(tmp_path), sources="none", destinations="none")
    company.profiles(MONDAY, person("a", email="ann@shop.test"))
    company.traits(MONDAY, {"profile_id": "a"}, {"profile_id": "b"})
    company.members(MONDAY, vip=["a"], new=["a", "b"])
    definitions = build_definitions(OURS, company.settings)
    result = definitions.resolve_job_def("publish").execute_in_process(instance=instance)
    assert result.success
    said = {
        event.asset_key.to_user_string(): {k: v.value for k, v in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }
    numbers = {key: (m["dagster/row_count"], m["inserted"], m["how"], m["as_of"]) for key, m in said.items()}
    assert numbers == {
        "published/profiles": (1, 1, "full", "2017-06-05"),
        "published/traits": (2, 2, "full", "2017-06-05"),
        "published/memberships": (3, 3, "full", "2017-06-05"),
    }
    assert company.held("memberships", "segment", "profile_id") == [("new", "a"), ("new", "b"), ("vip", "a")]
    company.close()


def test_the_sensor_publishes_and_syncs_once_when_the_newest_day_is_complete(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(OURS, settings(tmp_path, PUBLISH=warehouse(tmp_path)))
    for name in ("vip", "new"):
        key = dg.AssetKey(["segments", name])
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="2017-06-05"))
    sensor = definitions.resolve_sensor_def("new_day")
    with dg.partition_loading_context(effective_dt=AFTER):
        with dg.build_sensor_context(instance=instance, definitions=definitions) as context:
            first = sensor.evaluate_tick(context)
        with dg.build_sensor_context(instance=instance, definitions=definitions, cursor=first.cursor) as context:
            second = sensor.evaluate_tick(context)
    assert [(r.job_name, r.run_key) for r in first.run_requests or ()] == [
        ("sync", "sync:2017-06-05"),
        ("publish", "publish:2017-06-05"),
    ]
    assert not second.run_requests


def test_a_backfill_publishes_nothing(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(OURS, settings(tmp_path, PUBLISH=warehouse(tmp_path)))
    result = definitions.resolve_job_def("publish").execute_in_process(
        instance=instance, tags={"dagster/backfill": "abc"}, raise_on_error=False
    )
    assert failures(result) == {"a backfill never publishes: launch the job publish, or `segment-pipeline publish`"}
    assert not (tmp_path / "warehouse.sqlite").exists()


def test_the_password_of_the_url_is_in_no_event_of_a_failed_run(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(OURS, settings(tmp_path, PUBLISH="nonsense://reader:s3cret@db/warehouse"))
    result = definitions.resolve_job_def("publish").execute_in_process(instance=instance, raise_on_error=False)
    said = (
        "the database of SEGMENT_PIPELINE_PUBLISH cannot be opened (NoSuchModuleError): check SEGMENT_PIPELINE_PUBLISH"
    )
    assert failures(result) == {f"ConfigError: {said}"}
    kept = [dg.serialize_value(record) for record in instance.all_logs(result.run_id)]
    assert said in str(kept)
    assert "s3cret" not in str(kept)


def failures(result: dg.ExecuteInProcessResult) -> set[str | None]:
    return {
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    }


def test_the_command_says_what_it_did_and_what_is_missing(tmp_path: Path) -> None:
    company = Company(tmp_path, warehouse(tmp_path))
    company.traits(MONDAY, {"profile_id": "a"})
    company.close()
    (tmp_path / "settings.env").write_text(f"SEGMENT_PIPELINE_PUBLISH={warehouse(tmp_path)}\n")
    (said,) = json.loads(run_cli("publish", "traits", "--json", home=tmp_path))
    assert said.pop("seconds") >= 0
    assert said == {
        "table": "traits", "as_of": "2017-06-05", "how": "full", "why": "it was never published",
        "inserted": 1, "updated": 0, "deleted": 0, "rows": 1,
    }  # fmt: skip
    assert run_cli("publish", "orders", home=tmp_path, code=1) == ""
