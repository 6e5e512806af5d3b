"""Writers side by side: nobody's rows are lost, and what was computed from an older version is not written over a newer one."""

import multiprocessing
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from segment_pipeline.errors import ConfigError, ConflictError, ContractError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.lake.rows import keys, land, refund

pytestmark = pytest.mark.processes

D1, D2 = date(2017, 1, 1), date(2017, 1, 2)


def _open(root: str) -> Lake:
    return Lake(root, DuckDBEngine(memory="200MB", threads=1))


def _land_same_day(root: str, worker: int) -> None:
    for turn in range(3):
        land(_open(root), refund(f"{worker}-{turn}", D1))


def _replace_days(root: str, worker: int) -> None:
    lake = _open(root)
    for turn in range(3):
        day = date(2017, 1 + worker, 1 + turn)
        row = {"as_of": day, "segment": "vip", "definition_hash": "h", "profile_id": str(worker)}
        with lake.session() as session:
            session.register("found", arrow_rows("memberships", [row]))
            session.replace("memberships", "SELECT * FROM found", {"as_of": [day]})


def _replace_whole(root: str, worker: int) -> None:
    row = {"old_profile_id": str(worker), "new_profile_id": "n", "since": D1, "cause": "merge"}
    with _open(root).session() as session:
        session.register("found", arrow_rows("profile_aliases", [row]))
        session.replace("profile_aliases", "SELECT * FROM found")


def _at_once(work: Callable[[str, int], None], root: str, workers: int) -> None:
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=work, args=(root, worker)) for worker in range(workers)]
    for process in running:
        process.start()
    for process in running:
        process.join(600)
    assert [process.exitcode for process in running] == [0] * workers


def test_processes_that_land_into_the_same_new_day_all_keep_their_rows(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    _at_once(_land_same_day, root, 4)
    assert keys(_open(root)) == sorted(f"{worker}-{turn}" for worker in range(4) for turn in range(3))


def test_processes_that_replace_different_as_of_days_all_succeed(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    _at_once(_replace_days, root, 4)
    assert len(_open(root).snapshots("memberships")) == 12


def test_of_processes_that_replace_a_whole_table_one_remains(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    _at_once(_replace_whole, root, 3)
    assert _open(root).rows("profile_aliases") == 1


def test_rows_made_from_an_older_version_of_the_same_partition_are_not_written(lake: Lake) -> None:
    land(lake, refund("a", D1))
    with lake.session() as session:
        session.scan("refunds")
        land(lake, refund("b", D1))
        with pytest.raises(ConflictError, match="another writer changed the same partitions of table refunds"):
            session.replace("refunds", "SELECT * FROM refunds", {"source": ["shop"], "day": [D1]})
    assert keys(lake) == ["a", "b"]


def test_rows_made_from_an_older_version_may_replace_a_partition_nobody_touched(lake: Lake) -> None:
    land(lake, refund("a", D1))
    with lake.session() as session:
        session.scan("refunds")
        land(lake, refund("b", D2))
        session.replace("refunds", "SELECT * FROM refunds WHERE FALSE", {"source": ["shop"], "day": [D1]})
    assert keys(lake) == ["b"]


def test_a_whole_table_made_from_an_older_version_is_not_written(lake: Lake) -> None:
    row = {"new_profile_id": "n", "since": D1, "cause": "merge"}

    def aliases(*old: str) -> pa.Table:
        return arrow_rows("profile_aliases", [row | {"old_profile_id": each} for each in old])

    with lake.session() as session:
        session.register("found", aliases("a"))
        session.replace("profile_aliases", "SELECT * FROM found")
        session.scan("profile_aliases")
        with lake.session() as other:
            other.register("found", aliases("a", "b"))
            other.replace("profile_aliases", "SELECT * FROM found")
        with pytest.raises(ConflictError):
            session.replace("profile_aliases", "SELECT * FROM profile_aliases")
    assert lake.rows("profile_aliases") == 2


def test_reading_and_replacing_again_sees_what_the_other_writer_left(lake: Lake) -> None:
    land(lake, refund("a", D1))
    disturbed: list[bool] = []
    with lake.session() as session:

        def attempt() -> None:
            session.scan("refunds")
            if not disturbed:
                disturbed.append(True)
                land(lake, refund("b", D1))
            session.replace("refunds", "SELECT * FROM refunds", {"source": ["shop"], "day": [D1]})

        session.again("refunds", attempt)
    assert keys(lake) == ["a", "b"]


def test_landing_what_is_held_already_commits_nothing(lake: Lake) -> None:
    rows = [refund("a", D1), refund("b", D2)]
    land(lake, *rows)
    assert (land(lake, *rows[::-1]).rows, lake.version("refunds")) == (0, 1)
    land(lake, *rows, refund("c", D2))
    with lake.session() as session:
        untouched = session._files(table("refunds"), None, D1, None)
    assert len(untouched) == 1
    assert lake.partitions("refunds") == [
        {"source": "shop", "day": D1, "rows": 1},
        {"source": "shop", "day": D2, "rows": 2},
    ]


def test_landing_a_key_of_two_days_again_leaves_the_one_that_stayed(lake: Lake) -> None:
    """A delivery repeated on the day after is the same row: one of them, and the same one each time."""
    noon = datetime(2017, 6, 1, 12, tzinfo=UTC)
    rows = [refund("a", D1) | {"updated_at": noon}, refund("a", D2) | {"updated_at": noon}, refund("b", D1)]
    land(lake, *rows)
    assert keys(lake) == ["a", "b"]
    assert (land(lake, *rows[::-1]).rows, keys(lake)) == (0, ["a", "b"])
    land(lake, *rows, refund("c", D1))
    assert keys(lake) == ["a", "b", "c"]


def test_landing_checks_types_before_old_and_new_rows_meet(lake: Lake) -> None:
    """A union of the two would quietly turn the number into the text the table declares."""
    query = "SELECT * REPLACE (7 AS refund_key) FROM pulled"
    with lake.session() as session:
        session.register("pulled", arrow_rows("refunds", [refund("a", D1)]))
        with pytest.raises(ContractError, match="table refunds, column refund_key: expected string, got int32"):
            session.land("refunds", query, "shop")


def test_rows_outside_the_partitions_replaced_are_refused_without_their_values(lake: Lake) -> None:
    with lake.session() as session:
        session.register("pulled", arrow_rows("refunds", [refund("ann@known.org", D2)]))
        with pytest.raises(ContractError, match="table refunds: writing it failed") as refused:
            session.replace("refunds", "SELECT * FROM pulled", {"source": ["shop"], "day": [D1]})
    assert "known.org" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_lake_is_held_to_the_time_zone_and_currency_it_was_landed_with(lake: Lake) -> None:
    lake.fix(timezone="Europe/Berlin", base_currency="EUR")
    lake.fix(timezone="Europe/Berlin", base_currency="EUR")
    with pytest.raises(
        ConfigError, match="SEGMENT_PIPELINE_TIMEZONE is UTC, and this lake was landed with Europe/Berlin"
    ):
        lake.fix(timezone="UTC", base_currency="EUR")
    with pytest.raises(ConfigError, match="SEGMENT_PIPELINE_BASE_CURRENCY is USD, and this lake was landed with EUR"):
        lake.fix(timezone="Europe/Berlin", base_currency="USD")
