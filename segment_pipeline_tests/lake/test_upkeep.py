"""Retention, compaction, migrations and renames, on real Delta tables."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import parquet

from segment_pipeline.errors import ConfigError, ConflictError, ContractError
from segment_pipeline.lake import lease, migrations
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.maintenance import kept_snapshots, maintain

Put = Callable[[str, list[dict[str, Any]]], None]


def membership(as_of: date, profile: str = "p1", segment: str = "vip") -> dict[str, Any]:
    return {"as_of": as_of, "segment": segment, "definition_hash": "h", "profile_id": profile}


def test_snapshots_keep_35_days_month_ends_of_25_months_and_always_the_newest() -> None:
    today = date(2018, 6, 15)
    days = [today - timedelta(days=n) for n in range(1000)]
    kept = kept_snapshots(days, today, "snapshots")
    assert today - timedelta(days=34) in kept
    assert today - timedelta(days=35) not in kept
    assert date(2016, 6, 30) in kept
    assert date(2016, 4, 30) not in kept
    assert kept_snapshots([date(2001, 1, 1)], today, "snapshots") == {date(2001, 1, 1)}
    assert kept_snapshots(days, today, "newest") == {today}


def test_a_clock_that_is_ahead_drops_no_history() -> None:
    days = [date(2018, 6, 15) - timedelta(days=n) for n in range(1000)]
    assert kept_snapshots(days, date(2038, 1, 19), "snapshots") == kept_snapshots(days, max(days), "snapshots")


def test_maintenance_drops_old_snapshots_and_joins_small_files(lake: Lake, put: Put) -> None:
    newest, old = date(2018, 6, 14), date(2017, 1, 5)
    for profile in ("a", "b", "c"):
        put("memberships", [membership(newest, profile)])
    put("memberships", [membership(old)])
    done = {upkeep.table: upkeep for upkeep in maintain(lake, date(2018, 6, 15))}
    assert lake.snapshots("memberships") == [newest]
    assert done["memberships"].snapshots == 1
    assert done["memberships"].compacted == 3
    assert len(DeltaTable(lake.uri("memberships")).file_uris()) == 1
    assert lake.partitions("memberships") == [{"as_of": newest, "rows": 3}]


def test_what_a_killed_job_left_in_scratch_is_removed(lake: Lake, put: Put) -> None:
    put("refunds", [])
    left = Path(lake.root) / "_scratch" / "job" / "00001"
    left.mkdir(parents=True)
    (left / "rows.parquet").touch()
    maintain(lake, date(2017, 6, 30))
    assert not left.exists()


def test_files_are_not_removed_while_a_session_is_open(lake: Lake, put: Put) -> None:
    put("memberships", [membership(date(2018, 6, 14))])
    with lake.session(), pytest.raises(ConflictError, match="being read"), lease.exclusive(lake.lease, patience=0.0):
        pass
    with lease.exclusive(lake.lease, patience=0.0):
        pass


def write_in_old_shape(lake: Lake, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    write_deltalake(lake.uri("profile_aliases"), pa.Table.from_pylist(rows, schema=schema))


OLD = pa.schema([("old_profile_id", pa.string()), ("new_profile_id", pa.string()), ("since", pa.string())])
ROWS = [{"old_profile_id": "a", "new_profile_id": "b", "since": "2017-01-02"}]


def test_a_table_of_another_shape_is_rewritten_by_its_step(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    write_in_old_shape(lake, ROWS, OLD)
    DeltaTable(lake.uri("profile_aliases")).alter.set_table_properties(
        {"segment_pipeline.version": "0"}, raise_if_not_exists=False
    )
    select = "SELECT old_profile_id, new_profile_id, CAST(since AS DATE) AS since, 'history' AS cause FROM old"
    assert migrations.migrate(lake, (migrations.Step("profile_aliases", 0, select),)) == ["profile_aliases"]
    with lake.session() as session:
        session.scan("profile_aliases")
        assert session.rows("SELECT * FROM profile_aliases") == [
            {"old_profile_id": "a", "new_profile_id": "b", "since": date(2017, 1, 2), "cause": "history"}
        ]
    assert migrations.migrate(lake) == []


def test_a_migration_killed_between_its_commits_is_finished_and_not_applied_twice(lake: Lake) -> None:
    write_in_old_shape(lake, ROWS, OLD)
    key = "segment_pipeline.version"
    DeltaTable(lake.uri("profile_aliases")).alter.set_table_properties({key: "0"}, raise_if_not_exists=False)
    select = "SELECT old_profile_id, 'x' || new_profile_id AS new_profile_id, CAST(since AS DATE) AS since, 'history' AS cause FROM old"
    step = migrations.Step("profile_aliases", 0, select)
    delta = DeltaTable(lake.uri("profile_aliases"))
    with lake.session() as session:
        migrations._write_new_shape(session, step, delta, "0 to 1")
    assert DeltaTable(lake.uri("profile_aliases")).metadata().configuration[key] == "0"
    migrations.migrate(lake, (step,))
    with lake.session() as session:
        session.scan("profile_aliases")
        assert session.value("SELECT new_profile_id FROM profile_aliases") == "xb"


def test_a_version_without_a_way_on_is_an_error(lake: Lake) -> None:
    write_in_old_shape(lake, ROWS, OLD)
    DeltaTable(lake.uri("profile_aliases")).alter.set_table_properties(
        {"segment_pipeline.version": "0"}, raise_if_not_exists=False
    )
    with pytest.raises(ContractError, match="profile_aliases is at version 0"):
        migrations.migrate(lake)


def test_a_column_that_is_only_added_appears_with_the_next_write(lake: Lake, put: Put) -> None:
    key = pa.schema([
        pa.field("source", pa.string(), nullable=False), pa.field("campaign_key", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False), pa.field("day", pa.date32(), nullable=False),
    ])  # fmt: skip
    row = {"source": "s", "campaign_key": "1", "name": "spring", "day": date(2017, 1, 1)}
    write_deltalake(lake.uri("campaigns"), pa.Table.from_pylist([row], schema=key), partition_by=["source", "day"])
    put("campaigns", [row | {"campaign_key": "2", "channel": "email"}])
    with lake.session() as session:
        session.scan("campaigns")
        assert session.rows("SELECT campaign_key, channel FROM campaigns ORDER BY 1") == [
            {"campaign_key": "1", "channel": None}, {"campaign_key": "2", "channel": "email"},
        ]  # fmt: skip


def test_a_table_with_a_column_nobody_declares_is_not_written_to(lake: Lake, put: Put) -> None:
    odd = pa.schema([*OLD, ("note", pa.string())])
    write_in_old_shape(lake, [], odd)
    with pytest.raises(ContractError, match="profile_aliases holds columns nobody declares .note.: run the migrations"):
        put("profile_aliases", [{"old_profile_id": "c"}])


def test_a_rename_keeps_the_history_under_the_new_name(lake: Lake, put: Put, tmp_path: Path) -> None:
    day = date(2017, 1, 1)
    put("memberships", [membership(day), membership(day, segment="other")])
    member = {
        "audience": "old", "key": "k", "owners": ["p1"], "payload_hash": "", "state": "confirmed",
        "since": datetime(2017, 1, 1, tzinfo=UTC), "refreshed_at": datetime(2017, 1, 1, tzinfo=UTC), "digest": "d",
    }  # fmt: skip
    put("audience_members", [member])
    assert migrations.rename(lake, "segment", "vip", "best") == 1
    assert migrations.rename(lake, "audience", "old", "new") == 1
    with lake.session() as session:
        session.scan("memberships")
        session.scan("audience_members")
        assert session.rows("SELECT segment FROM memberships ORDER BY 1") == [{"segment": "best"}, {"segment": "other"}]
        assert session.rows("SELECT audience, key FROM audience_members") == [{"audience": "new", "key": "k"}]
    with pytest.raises(ConfigError, match="already has rows"):
        migrations.rename(lake, "segment", "other", "best")


def test_after_erasure_and_upkeep_no_byte_of_the_person_is_left(lake: Lake, put: Put) -> None:
    day = date(2017, 1, 1)
    row = {
        "source": "crm", "identifier_type": "email", "channel": "email", "reason": "asked", "day": day,
        "recorded_at": datetime(2017, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    put("suppressions", [row | {"identifier": f"{name}@known.org"} for name in ("ann", "bob", "cas")])
    put("suppressions", [row | {"identifier": "ann@known.org", "reason": "again", "day": date(2017, 1, 2)}])
    with lake.session() as session:
        session.define("gone", "SELECT 'ann' || '@known.org' AS identifier")
        assert session.erase("suppressions", "gone", ["identifier"]) == 2
    held = Path(lake.uri("suppressions"))
    assert any("ann@known.org" in _texts(path) for path in held.rglob("*.parquet")), "the old files wait for the upkeep"
    maintain(lake, date(2018, 1, 1))
    left = [path for path in Path(lake.root).rglob("*") if path.is_file()]
    assert sum("bob@known.org" in _texts(path) for path in left) == 1
    assert not [path for path in left if "ann" in path.name or "ann@known.org" in _texts(path)]


def _texts(path: Path) -> str:
    """What a file says once decompressed: a Parquet file's rows and statistics, any other file's bytes."""
    if path.suffix != ".parquet":
        return path.read_bytes().decode(errors="replace")
    file = parquet.ParquetFile(path)
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    return str(file.read().to_pylist()) + str([group.to_dict() for group in groups])


def test_expired_plans_go_by_partition_and_newer_ones_stay(
    lake: Lake, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {
        "audience": "vip", "batch": 1, "operation": "upsert", "cause": "added", "key": "k", "payload_hash": "",
        "owners": ["p"],
    }  # fmt: skip
    put("plan_rows", [row | {"digest": "d1"}])
    later = datetime.now(UTC) + timedelta(days=89)
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", later.isoformat())
    maintain(lake, later.date())
    assert lake.rows("plan_rows") == 1
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", (later + timedelta(days=2)).isoformat())
    maintain(lake, later.date())
    assert lake.rows("plan_rows") == 0


def test_a_killed_reader_holds_up_no_maintenance(lake: Lake, put: Put) -> None:
    put("memberships", [membership(date(2018, 6, 14))])
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom segment_pipeline.lake.lease import shared\n"
        "with shared(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(lake.lease)], stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError), lease.exclusive(lake.lease, patience=0.0):
            pass
        reader.kill()
        reader.wait()
        with lease.exclusive(lake.lease, patience=1.0):
            pass


def test_renaming_a_segment_moves_its_sizes_and_goes_on_where_it_was_cut_short(lake: Lake, put: Put) -> None:
    day = date(2017, 1, 1)
    put("memberships", [membership(day), membership(date(2017, 1, 2))])
    put(
        "segment_sizes",
        [{"as_of": day, "segment": "vip", "definition_hash": "h", "size": 1, "population": 2, "inputs": "{}"}],
    )
    assert migrations.rename(lake, "segment", "vip", "best") == 3
    assert [entry["rows"] for entry in lake.partitions("memberships")] == [1, 1]
    with lake.session() as session:
        session.scan("segment_sizes")
        assert session.value("SELECT segment FROM segment_sizes") == "best"
    with pytest.raises(ConfigError, match="segment vip has no rows in any table"):
        migrations.rename(lake, "segment", "vip", "better")
    put("membership_changes", [
        {"as_of": day, "segment": "vip", "definition_hash": "h", "profile_id": "p1", "change": "entered", "cause": "data"}
    ])  # fmt: skip
    assert migrations.rename(lake, "segment", "vip", "best") == 1
