"""Snapshots and changes through real Delta tables: any order of days, selections, failures and changing ids."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.memberships import MembershipReport, build_memberships
from segment_pipeline.segments.rules import Segment, all_of, days, did, member_of, trait
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import Rows, arrow_rows
from segment_pipeline_tests.segments.conftest import segment

D1, D2, D3, D5 = (date(2017, 12, day) for day in (1, 2, 3, 5))
BUYER = segment("buyer", trait("orders_total") >= 1)
NOBODY = segment("nobody", trait("orders_total") >= 1000)
SETTINGS = Settings.from_env({})
Put = Callable[[str, Rows], None]


def put_day(lake: Lake, day: date, orders: dict[str, int], records: dict[str, str] | None = None) -> None:
    """Traits of a day, and identities: record key to person (default: each person is one record of the same key)."""
    identities = records or {one: one for one in orders}
    with lake.session() as session:
        session.register(
            "t", arrow_rows("traits", [{"as_of": day, "profile_id": p, "orders_total": n} for p, n in orders.items()])
        )
        session.replace("traits", "SELECT * FROM t", {"as_of": [day]})
        rows = [
            {"as_of": day, "source": "till", "entity": "customer", "record_key": key, "profile_id": p}
            for key, p in identities.items()
        ]
        session.register("i", arrow_rows("identities", rows))
        session.replace("identities", "SELECT * FROM i", {"as_of": [day]})


def build(lake: Lake, day: date, *segments: Segment, **more: Any) -> MembershipReport:
    return build_memberships(lake, day, segments or (BUYER, NOBODY), SETTINGS, **more)


def content(lake: Lake, name: str, columns: str = "*") -> list[tuple[Any, ...]]:
    with lake.session() as session:
        session.scan(name)
        return [tuple(row.values()) for row in session.rows(f"SELECT {columns} FROM {name} ORDER BY ALL")]


def changes(lake: Lake) -> list[tuple[Any, ...]]:
    return content(lake, "membership_changes", "as_of, segment, profile_id, change, cause, previous_as_of")


def members(lake: Lake) -> list[tuple[Any, ...]]:
    return content(lake, "memberships", "as_of, segment, profile_id")


def test_an_empty_segment_has_a_size_of_zero_and_no_members(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 0})
    report = build(lake, D1)
    assert (report.population, report.sizes, report.failed) == (2, {"buyer": 1, "nobody": 0}, {})
    assert content(lake, "segment_sizes", "segment, size, population") == [("buyer", 1, 2), ("nobody", 0, 2)]
    assert members(lake) == [(D1, "buyer", "ann")]


def test_the_first_snapshot_enters_everyone_with_the_cause_first(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 1})
    report = build(lake, D1)
    assert changes(lake) == [
        (D1, "buyer", "ann", "entered", "first", None),
        (D1, "buyer", "bob", "entered", "first", None),
    ]
    assert (report.changes["buyer"], report.triggering["buyer"]) == ((2, 0), 0)


def test_the_day_after_says_who_entered_and_left_because_of_data(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 0})
    put_day(lake, D2, {"ann": 0, "bob": 1})
    build(lake, D1)
    report = build(lake, D2)
    assert changes(lake)[1:] == [
        (D2, "buyer", "ann", "exited", "data", D1),
        (D2, "buyer", "bob", "entered", "data", D1),
    ]
    assert (report.changes["buyer"], report.triggering["buyer"]) == ((1, 1), 2)


def test_days_missing_between_two_snapshots_are_a_gap(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1})
    put_day(lake, D3, {"ann": 0})
    build(lake, D1)
    build(lake, D3)
    assert changes(lake)[1:] == [(D3, "buyer", "ann", "exited", "gap", D1)]


def test_a_changed_rule_is_the_cause_of_the_changes_it_makes(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 2})
    put_day(lake, D2, {"ann": 1, "bob": 2})
    build(lake, D1, segment("buyer", trait("orders_total") >= 1))
    build(lake, D2, segment("buyer", trait("orders_total") >= 2))
    assert changes(lake)[2:] == [(D2, "buyer", "ann", "exited", "definition", D1)]


def test_a_rule_written_in_another_order_is_the_same_definition(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 3})
    put_day(lake, D2, {"ann": 0})
    one, two = trait("orders_total") >= 1, trait("orders_total") >= 2
    build(lake, D1, segment("buyer", all_of(one, two)))
    build(lake, D2, segment("buyer", all_of(two, one), minimum_size=5))
    assert changes(lake)[1:] == [(D2, "buyer", "ann", "exited", "data", D1)]


@pytest.mark.slow
def test_any_order_of_days_leaves_the_same_tables(tmp_path: Path) -> None:
    snapshots = {D1: {"ann": 1, "bob": 0}, D2: {"ann": 1, "bob": 1}, D3: {"ann": 0, "bob": 1}, D5: {"ann": 1, "bob": 0}}
    contents = []
    for number, order in enumerate([*permutations(snapshots)][::5]):
        lake = Lake(str(tmp_path / str(number)), DuckDBEngine(threads=1))
        for day, orders in snapshots.items():
            put_day(lake, day, orders)
        for day in order:
            build(lake, day)
        contents.append((members(lake), changes(lake), content(lake, "segment_sizes", "as_of, segment, size")))
    assert all(found == contents[0] for found in contents)
    assert [row[2:5] for row in contents[0][1] if row[0] == D5] == [("ann", "entered", "gap"), ("bob", "exited", "gap")]


def test_doing_a_day_again_changes_no_content(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1})
    build(lake, D1)
    before = [content(lake, name) for name in ("memberships", "segment_sizes", "membership_changes")]
    put_day(lake, D1, {"ann": 1})
    build(lake, D1)
    assert [content(lake, name) for name in ("memberships", "segment_sizes", "membership_changes")] == before


def test_only_the_selected_segments_are_written_and_the_rest_stays(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1, "bob": 0})
    build(lake, D1, BUYER, segment("poor", trait("orders_total") == 0))
    put_day(lake, D1, {"ann": 0, "bob": 1})
    report = build(lake, D1, BUYER, segment("poor", trait("orders_total") == 0), selected=["buyer"])
    assert report.sizes == {"buyer": 1}
    assert members(lake) == [(D1, "buyer", "bob"), (D1, "poor", "bob")]


def test_a_selection_nobody_declared_is_refused(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1})
    with pytest.raises(ConfigError, match="there is no segment buyers: `segment-pipeline segments list`"):
        build(lake, D1, selected=["buyers"])


def test_a_wrong_segment_fails_alone_and_keeps_the_members_it_had(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1})
    build(lake, D1, BUYER, segment("good", trait("orders_total") >= 1))
    wrong = Segment("buyer", owner="team:crm", goal="orders", description="wrong", where=trait("orders_totals") >= 1)
    report = build(lake, D1, wrong, segment("good", trait("orders_total") >= 1), segment("leans", member_of("buyer")))
    assert report.sizes == {"good": 1}
    assert "names trait orders_totals, which does not exist: did you mean orders_total?" in report.failed["buyer"]
    assert "test_memberships.py:" in report.failed["buyer"]
    assert "refers to segment buyer, which is wrong itself" in report.failed["leans"]
    assert members(lake) == [(D1, "buyer", "ann"), (D1, "good", "ann")]
    assert [row[0] for row in content(lake, "segment_sizes", "segment")] == ["buyer", "good"]


def test_a_segment_that_fails_while_running_fails_alone(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1})
    # The catalogue names a trait that the snapshot does not hold.
    vocabulary = Vocabulary({"orders_total": "BIGINT", "favourite_colour": "VARCHAR"})
    broken = segment("broken", trait("favourite_colour") == "red")
    report = build(lake, D1, BUYER, broken, vocabulary=vocabulary)
    assert report.sizes == {"buyer": 1}
    assert list(report.failed) == ["broken"]


def test_a_day_without_traits_is_refused(lake: Lake) -> None:
    with pytest.raises(
        ContractError, match="there are no traits as of 2017-12-01: materialise them for that day first"
    ):
        build(lake, D1)


def test_an_id_that_changes_is_nobody_entering_or_leaving(lake: Lake) -> None:
    put_day(lake, D1, {"old": 1}, {"web": "old"})
    put_day(lake, D2, {"older": 1}, {"web": "older", "till": "older"})
    build(lake, D1)
    build(lake, D2)
    assert members(lake) == [(D1, "buyer", "old"), (D2, "buyer", "older")]
    assert [row for row in changes(lake) if row[0] == D2] == []


def test_an_id_that_changed_and_a_person_who_then_leaves_is_data(lake: Lake) -> None:
    put_day(lake, D1, {"old": 1}, {"web": "old"})
    put_day(lake, D2, {"older": 0}, {"web": "older", "till": "older"})
    build(lake, D1)
    build(lake, D2)
    assert changes(lake)[1:] == [(D2, "buyer", "older", "exited", "data", D1)]


@pytest.mark.also_on_spark("segments/heirs", "segments/touched")
def test_two_members_who_turn_out_to_be_one_make_no_change(lake: Lake) -> None:
    put_day(lake, D1, {"a": 1, "b": 1})
    put_day(lake, D2, {"a": 2}, {"a": "a", "b": "a"})
    build(lake, D1)
    build(lake, D2)
    assert changes(lake)[2:] == []


def test_entering_because_two_people_became_one_has_the_cause_identity(lake: Lake) -> None:
    twice = segment("twice", trait("orders_total") >= 2)
    put_day(lake, D1, {"a": 1, "b": 1, "c": 1})
    put_day(lake, D2, {"a": 2, "c": 2}, {"a": "a", "b": "a", "c": "c"})
    build(lake, D1, twice)
    build(lake, D2, twice)
    assert changes(lake) == [(D2, "twice", "a", "entered", "identity", D1), (D2, "twice", "c", "entered", "data", D1)]


def test_a_part_that_split_off_enters_with_the_cause_identity(lake: Lake) -> None:
    put_day(lake, D1, {"a": 2}, {"a": "a", "b": "a"})
    put_day(lake, D2, {"a": 1, "b": 1})
    build(lake, D1)
    build(lake, D2)
    assert changes(lake)[1:] == [(D2, "buyer", "b", "entered", "identity", D1)]


def test_where_identities_of_the_older_day_are_gone_aliases_say_who_is_who(lake: Lake, put: Put) -> None:
    put_day(lake, D1, {"old": 1})
    build(lake, D1)
    with lake.session() as session:
        session.scan("identities", alias="gone")
        session.replace("identities", "SELECT * FROM gone WHERE FALSE", {"as_of": [D1]})
    put("profile_aliases", [{"old_profile_id": "old", "new_profile_id": "older", "since": D2, "cause": "history"}])
    put_day(lake, D2, {"older": 1})
    build(lake, D2)
    assert [row for row in changes(lake) if row[0] == D2] == []


def test_a_snapshot_that_retention_removed_makes_nobody_enter_again(lake: Lake) -> None:
    put_day(lake, D1, {"ann": 1})
    put_day(lake, D2, {"ann": 1})
    put_day(lake, D3, {"ann": 1})
    for day in (D1, D2, D3):
        build(lake, day)
    with lake.session() as session:
        session.scan("memberships", alias="held")
        session.replace("memberships", "SELECT * FROM held WHERE FALSE", {"as_of": [D2]})
    build(lake, D3)
    assert [row for row in changes(lake) if row[0] == D3] == []


def test_events_of_the_day_and_members_of_other_segments_count(lake: Lake, put: Put) -> None:
    put_day(lake, D2, {"p1": 1, "p2": 1})
    seen = datetime(2017, 12, 2, 10, tzinfo=UTC)
    event = {"source": "till", "name": "visit", "anonymous_id": None, "day": D2}
    put("events", [
        event | {"event_key": "1", "customer_key": "p1", "occurred_at": seen, "received_at": seen, "occurred_on": D2},
        event | {"event_key": "2", "customer_key": "p2", "occurred_at": seen - timedelta(days=9), "received_at": seen,
                 "occurred_on": D2 - timedelta(days=9)},
    ])  # fmt: skip
    recent = segment("recent", all_of(member_of("buyer"), did("visit", within=days(7))))
    report = build(lake, D2, BUYER, recent)
    assert report.sizes == {"buyer": 2, "recent": 1}
    assert (D2, "recent", "p1") in members(lake)
