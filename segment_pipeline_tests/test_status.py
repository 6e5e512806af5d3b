"""What a person on call is told: what is late, quarantined, held or failed, what runs next, and nothing else."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.plan import Plan, PlannedBatch
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.defs.ticks import automations, expected_day, failed_runs
from segment_pipeline.delivery.destination import Operation
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.errors import ConfigError
from segment_pipeline.segments.rules import Segment, trait
from segment_pipeline.settings import Settings
from segment_pipeline.status import status
from segment_pipeline_tests.conftest import Rows

TODAY = date(2026, 3, 10)
YESTERDAY = TODAY - timedelta(days=1)
NINE = datetime(2026, 3, 10, 9, tzinfo=UTC)

TILL: Any = SimpleNamespace(
    name="till",
    entities=(SimpleNamespace(name="orders", tables=()), SimpleNamespace(name="customers", tables=())),
    check=lambda: None,
)
BUYERS = Segment("buyers", owner="team:crm", description="Bought once", goal="orders", where=trait("orders_total") >= 1)
LIST = Audience("buyers_list", segment="buyers", destination="files", channel="email", owner="team:crm")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path), "SEGMENT_PIPELINE_START": "2026-01-01"})


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(
        sources=(TILL,), destinations=(HashedFiles(directory=str(tmp_path)),), segments=(BUYERS,), audiences=(LIST,)
    )


def load(entity: str, day: date, **more: Any) -> dict[str, Any]:
    return {
        "source": "till", "asset": f"till/{entity}", "run_id": "r", "table_name": entity, "day": day, "rows_landed": 1,
        "rows_total": 1, "rows_quarantined": 0, "rows_back_projected": 0, "requests": 1, "finished_at": NINE, **more,
    }  # fmt: skip


def evaluated(day: date) -> dict[str, Any]:
    return {
        "as_of": day, "segment": "buyers", "definition_hash": "h", "size": 1, "population": 1, "inputs": "{}"
    }  # fmt: skip


@pytest.fixture
def complete(put: Callable[[str, Rows], None]) -> None:
    """A lake in which yesterday is there in every stage."""
    put("loads", [load("orders", YESTERDAY), load("customers", YESTERDAY)])
    put(
        "identities",
        [{"as_of": YESTERDAY, "source": "till", "entity": "customer", "record_key": "1", "profile_id": "p"}],
    )
    put("traits", [{"as_of": YESTERDAY, "profile_id": "p"}])
    put("segment_sizes", [evaluated(YESTERDAY)])


def test_a_complete_day_is_nothing_to_act_on(catalogue: Catalogue, settings: Settings, complete: None) -> None:
    found = status(catalogue, settings, now=NINE, expected=YESTERDAY)
    assert [(s.stage, s.newest, s.behind) for s in found.stages] == [
        (name, YESTERDAY, 0) for name in ("sources", "people", "traits", "segments")
    ]
    assert (found.attention, found.quarantine, found.held) == ([], [], [])


def test_a_late_source_is_named_once_and_what_follows_it_is_not(
    catalogue: Catalogue, settings: Settings, put: Callable[[str, Rows], None]
) -> None:
    put("loads", [load("orders", YESTERDAY - timedelta(days=2)), load("orders", YESTERDAY - timedelta(days=3))])
    found = status(catalogue, settings, now=NINE, expected=YESTERDAY)
    assert [(x.asset, x.newest, x.behind) for x in found.loads] == [
        ("till/orders", date(2026, 3, 7), 2), ("till/customers", None, None),
    ]  # fmt: skip
    assert found.stages[0].newest is None
    assert found.attention == [
        "till/orders ends at 2026-03-07, and 2026-03-09 should be there: segment-pipeline refresh",
        "till/customers was never landed, and 2026-03-09 should be there: segment-pipeline refresh",
    ]


def test_a_late_stage_behind_sources_in_time_is_named(
    catalogue: Catalogue, settings: Settings, put: Callable[[str, Rows], None], complete: None
) -> None:
    put("loads", [load("orders", TODAY), load("customers", TODAY)])
    put("segment_sizes", [evaluated(TODAY)])
    found = status(catalogue, settings, now=NINE, expected=TODAY)
    assert found.attention == [
        f"{stage} end at 2026-03-09 although the sources are there: segment-pipeline refresh"
        for stage in ("people", "traits")
    ]


def test_quarantine_is_counted_by_reason_and_by_what_is_new(
    catalogue: Catalogue, settings: Settings, put: Callable[[str, Rows], None], complete: None
) -> None:
    row = {"source": "till", "entity": "orders", "reason": "no currency", "day": YESTERDAY, "raw": '{"email": "a@b.c"}'}
    put(
        "quarantine",
        [
            {**row, "key": "1", "first_seen": NINE - timedelta(days=9)},
            {**row, "key": "2", "first_seen": NINE - timedelta(hours=6)},
        ],
    )
    (found,) = status(catalogue, settings, now=NINE, expected=YESTERDAY).quarantine
    assert (found.source, found.entity, found.reason, found.records, found.of_last_day) == (
        "till",
        "orders",
        "no currency",
        2,
        1,
    )


def held_plan(digest: str, kind: str = "main") -> Plan:
    return Plan(
        digest=digest, audience="buyers_list", destination="files", kind=kind, as_of=YESTERDAY, fields=("email",),
        batches=(PlannedBatch(1, 1, Operation.UPSERT, 40), PlannedBatch(2, 1, Operation.UPSERT, 2), PlannedBatch(3, 2, Operation.REMOVE, 30)),
    )  # fmt: skip


def test_a_held_plan_is_shown_with_the_command_until_it_expires(
    catalogue: Catalogue, settings: Settings, complete: None
) -> None:
    with closing(Ledger.open(settings.ledger)) as ledger:
        ledger.record(held_plan("0ld0"), held=True, inputs="{}")
        ledger.record(held_plan("5ent", kind="denials"), held=False, inputs="{}")
        ledger.record(held_plan("1234"), held=True, inputs="{}")
    found = status(catalogue, settings, now=NINE, expected=YESTERDAY)
    (held,) = found.held
    assert (held.audience, held.digest, held.changes) == ("buyers_list", "1234", {"upsert": 42, "remove": 30})
    assert held.command == "segment-pipeline audiences approve 1234"
    assert held.expires_at == datetime(2026, 3, 12, tzinfo=UTC)
    (sentence,) = found.attention
    assert "segment-pipeline audiences approve 1234" in sentence
    assert status(catalogue, settings, now=held.expires_at + timedelta(seconds=1), expected=YESTERDAY).held == []


def test_a_plan_that_a_later_one_overtook_is_not_shown(
    catalogue: Catalogue, settings: Settings, complete: None
) -> None:
    with closing(Ledger.open(settings.ledger)) as ledger:
        ledger.record(held_plan("1234"), held=True, inputs="{}")
        ledger.record(held_plan("5678"), held=False, inputs="{}")
    assert status(catalogue, settings, now=NINE, expected=YESTERDAY).held == []


def test_looking_makes_no_ledger(catalogue: Catalogue, settings: Settings, tmp_path: Path) -> None:
    status(catalogue, settings, now=NINE, expected=YESTERDAY)
    assert not (tmp_path / "ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-10T05:01+00:00", date(2026, 3, 9)),
        ("2026-03-10T04:59+00:00", date(2026, 3, 8)),  # the night's refresh may still be at work
        ("2026-01-01T09:00+00:00", None),  # before the end of the first day of history
    ],
)
def test_a_day_is_expected_two_hours_after_the_tick_that_brings_it(
    settings: Settings, at: str, expected: date | None
) -> None:
    assert expected_day(settings, datetime.fromisoformat(at)) == expected


def test_the_next_refresh_comes_from_the_setting_where_no_instance_is(settings: Settings) -> None:
    (nightly,) = automations(None, settings, NINE)
    assert (nightly.name, nightly.running, nightly.next_at) == ("nightly", None, datetime(2026, 3, 11, 3, tzinfo=UTC))


def test_a_failed_run_is_told_until_one_of_its_job_succeeds() -> None:
    broken = True

    @dg.op
    def work() -> None:
        if broken:
            raise dg.Failure("the till is closed: open it", allow_retries=False)

    @dg.job
    def nightly_work() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        nightly_work.execute_in_process(instance=instance, raise_on_error=False)
        (failed,) = failed_runs(instance, datetime.now(UTC))
        assert (failed.job, failed.error) == ("nightly_work", "work: the till is closed: open it")
        broken = False
        nightly_work.execute_in_process(instance=instance)
        assert failed_runs(instance, datetime.now(UTC)) == []


def test_what_a_retry_gave_up_on_is_told_in_our_words_and_of_anything_else_the_kind() -> None:
    def failing(error: Exception) -> dg.JobDefinition:
        @dg.op(name="work", retry_policy=dg.RetryPolicy(max_retries=1))
        def work() -> None:
            raise error

        @dg.job(name="failing")
        def made() -> None:
            work()

        return made

    for error, said in (
        (ConfigError("the lake is a file: name another"), "work: the lake is a file: name another"),
        (ValueError("anna@example.com is no number"), "work: ValueError"),
    ):
        with dg.DagsterInstance.ephemeral() as instance:
            failing(error).execute_in_process(instance=instance, raise_on_error=False)
            (failed,) = failed_runs(instance, datetime.now(UTC))
        assert failed.error == said
