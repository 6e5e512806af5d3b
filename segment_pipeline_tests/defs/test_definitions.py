"""The whole code location: what loads, what each asset says of itself, and when the schedule and sensors fire."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.definitions import build_definitions, forked_steps
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.segments.rules import Segment, did, trait
from segment_pipeline.settings import Settings
from segment_pipeline.sources.square.connector import Square
from segment_pipeline.starter.company import STARTER

ENVIRON = {"SEGMENT_PIPELINE_TIMEZONE": "America/New_York", "SEGMENT_PIPELINE_START": "2026-01-01"}
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env(ENVIRON | {"SEGMENT_PIPELINE_HOME": str(tmp_path)})


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(STARTER, settings)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_every_asset_has_an_owner_a_description_a_kind_and_columns(definitions: dg.Definitions) -> None:
    specs = list(definitions.resolve_all_asset_specs())
    assert {spec.group_name for spec in specs} == {"sources", "profiles", "segments", "audiences"}
    for spec in specs:
        name = spec.key.to_user_string()
        assert spec.owners, name
        assert spec.description, name
        assert spec.kinds, name
        # Of a segment, its pictures stand above what all segments have.
        schema = "columns" if spec.group_name == "segments" else "dagster/column_schema"
        assert spec.metadata[schema].columns, name


def test_the_keys_of_the_assets_are_the_ones_people_rely_on(definitions: dg.Definitions) -> None:
    keys = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}
    assert {key for key in keys if not key.startswith(("segments/", "audiences/"))} == {
        "square/locations", "square/customers", "square/loyalty", "square/catalog", "square/orders",
        "square/deletions", "shopify/customers", "shopify/products", "shopify/orders", "shopify/checkouts", "shopify/deletions", "shopify/product_deletions",
        "amplitude/events", "profiles/identities", "profiles/traits",
    }  # fmt: skip
    assert {f"segments/{segment.name}" for segment in STARTER.segments} <= keys
    assert {f"audiences/{audience.name}" for audience in STARTER.audiences} <= keys


def test_what_has_days_is_partitioned_by_them_and_what_describes_things_as_they_are_is_not(
    definitions: dg.Definitions,
) -> None:
    sources = [spec for spec in definitions.resolve_all_asset_specs() if spec.group_name == "sources"]
    assert {spec.key.to_user_string() for spec in sources if spec.partitions_def} == {
        "square/orders", "shopify/orders", "shopify/checkouts", "amplitude/events",
    }  # fmt: skip


def test_only_the_job_sync_holds_audiences_and_it_is_not_partitioned(definitions: dg.Definitions) -> None:
    refresh, sync = definitions.resolve_job_def("refresh"), definitions.resolve_job_def("sync")
    assert refresh.partitions_def is not None
    assert sync.partitions_def is None
    sent = {key.path[0] for key in sync.asset_layer.selected_asset_keys}
    assert sent == {"audiences"}
    assert "audiences" not in {key.path[0] for key in refresh.asset_layer.selected_asset_keys}


def test_a_connector_that_is_off_has_no_assets_and_needs_no_secret(tmp_path: Path) -> None:
    off = ENVIRON | {
        "SEGMENT_PIPELINE_HOME": str(tmp_path),
        "SEGMENT_PIPELINE_DESTINATIONS": "files",
        "SEGMENT_PIPELINE_SOURCES": "square",
    }
    built = build_definitions(STARTER, Settings.from_env(off))
    groups = {spec.key.path[0] for spec in built.resolve_all_asset_specs()}
    assert "shopify" not in groups
    audiences = [spec.key.path[1] for spec in built.resolve_all_asset_specs() if spec.key.path[0] == "audiences"]
    assert audiences == [a.name for a in STARTER.audiences if a.destination == "files"]


def test_a_connector_nobody_declares_is_named(tmp_path: Path) -> None:
    wrong = Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path), "SEGMENT_PIPELINE_SOURCES": "sqare"})
    with pytest.raises(ConfigError, match="SEGMENT_PIPELINE_SOURCES names sqare, which the catalogue lacks"):
        build_definitions(STARTER, wrong)


def test_a_wrong_rule_stops_its_segment_with_file_and_line_and_not_the_load(settings: Settings) -> None:
    def segment(name: str, where: object, owner: str = "team:crm") -> Segment:
        return Segment(name, owner=owner, goal="orders", description="d", where=where)  # type: ignore[arg-type]

    wrong = Catalogue(
        sources=(Square(),),
        destinations=(HashedFiles(),),
        segments=(
            segment("a", trait("spent_total") > 1),
            segment("b", did("visit"), owner="crm"),
            segment("c", did("visit")),
        ),
    )
    definitions = build_definitions(wrong, settings)
    assert {dg.AssetKey(["segments", name]) for name in "abc"} <= set(definitions.resolve_all_asset_keys())
    assert [text.partition("test_definitions.py:")[2].partition(": ")[2] for text in wrong.problems()] == [
        "segment a names trait spent_total, which does not exist: did you mean spend_total?",
        "segment b has no owner of the form team:name or an e-mail address",
    ]
    twice = replace(wrong, segments=(segment("c", did("visit")), segment("c", did("order"))))
    with pytest.raises(ConfigError, match="test_definitions.py:[0-9]+: segment c is declared a second time"):
        build_definitions(twice, settings)


def test_the_nightly_schedule_asks_for_yesterday_unless_that_is_still_under_way(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    nightly = definitions.resolve_schedule_def("nightly")
    instance = dg.DagsterInstance.local_temp(str(tmp_path))

    def asked() -> list[str | None]:
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=AT, repository_def=definitions.get_repository_def()
        ) as context:
            return [request.partition_key for request in nightly.evaluate_tick(context).run_requests or ()]

    def run(day: str, status: dg.DagsterRunStatus, *only: str) -> dg.DagsterRun:
        selection = frozenset({dg.AssetKey(only)}) if only else None
        made = dg.DagsterRun(
            job_name="refresh", status=status, tags={"dagster/partition": day}, asset_selection=selection
        )
        return instance.run_storage.add_run(made)

    assert asked() == ["2026-03-01"]
    run("2026-03-01", dg.DagsterRunStatus.FAILURE)
    run("2026-02-28", dg.DagsterRunStatus.STARTED)
    run("2026-03-01", dg.DagsterRunStatus.STARTED, "profiles", "traits")
    assert asked() == ["2026-03-01"]
    waiting = run("2026-03-01", dg.DagsterRunStatus.STARTING)
    assert asked() == []
    instance.report_run_canceled(waiting)
    assert asked() == ["2026-03-01"]


def test_the_sensor_syncs_once_when_the_newest_day_is_complete_and_never_for_old_days(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    sensor = definitions.resolve_sensor_def("new_day")
    keys = [dg.AssetKey(["segments", segment.name]) for segment in STARTER.segments]

    def tick(cursor: str | None = None) -> tuple[int, str | None]:
        with dg.build_sensor_context(instance=instance, definitions=definitions, cursor=cursor) as context:
            result = sensor.evaluate_tick(context)
        return len(result.run_requests or ()), result.cursor

    def materialise(day: str, wanted: list[dg.AssetKey]) -> None:
        for key in wanted:
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))

    with dg.partition_loading_context(effective_dt=AT):
        assert tick()[0] == 0
        materialise("2026-01-15", keys)
        assert tick()[0] == 0
        materialise("2026-03-01", keys[:-1])
        assert tick()[0] == 0
        materialise("2026-03-01", keys[-1:])
        launched, cursor = tick()
        assert (launched, cursor) == (1, "2026-03-01")
        materialise("2026-03-01", keys)
        assert tick(cursor)[0] == 0


def test_a_backfill_that_selects_an_audience_sends_nothing(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    result = definitions.resolve_job_def("sync").execute_in_process(
        instance=instance, tags={"dagster/backfill": "abc"}, raise_on_error=False
    )
    assert not result.success
    said = {
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    }
    assert said == {"a backfill never sends: launch the job sync, or `segment-pipeline audiences sync`"}


def test_our_errors_are_told_in_their_own_words_and_foreign_ones_only_by_place() -> None:
    with pytest.raises(dg.Failure) as ours, in_our_words():
        raise TransientError("the vendor is busy: try later")
    assert ours.value.description == "TransientError: the vendor is busy: try later"
    with pytest.raises(dg.Failure) as foreign, in_our_words():
        raise KeyError("ann@known.org")
    assert "ann@known.org" not in (foreign.value.description or "")
    assert "KeyError at test_definitions.py:" in (foreign.value.description or "")
    assert not foreign.value.allow_retries


def test_a_run_may_say_how_many_steps_at_a_time_and_its_steps_are_forked(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("refresh")
    assert job.executor_def is forked_steps
    assert dg.validate_run_config(job, {"execution": {"config": {"max_concurrent": 1}}})
    told = (forked_steps.apply_config_mapping({"config": {"max_concurrent": 1}}).value or {})["config"]
    assert (told["max_concurrent"], told["start_method"]) == (1, {"forkserver": {}})
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"execution": {"config": {"multiprocess": {}}}})
