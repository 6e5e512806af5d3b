"""Retention, compaction, migrations and renames, on real Delta tables."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

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
