"""Identities as of a day: what is known by then, whatever was built before, and what changed since."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.identity.resolution import build_identities
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.profiles.literal_rows import customer, event, jan, order
from segment_pipeline_tests.profiles.snapshots import DAY, Put, build, events, rows


def test_a_record_is_known_from_its_creation_and_later_values_are_back_projected_and_counted(
    lake: Lake, put: Put
) -> None:
    put(
        "customers",
        [
            customer("shopify", "S1", jan(5), updated=jan(20), email="ann.lee@mail.io"),
            customer("square", "T1", jan(1), email="ann.lee@mail.io"),
        ],
    )
    assert build(lake, jan(4)).records == 1
    report = build(lake, jan(5))
    assert (report.records, report.profiles, report.back_projected) == (2, 1, 1)
    assert build(lake, jan(20)).back_projected == 0


def test_the_order_of_arrival_does_not_show(lake: Lake, put: Put, tmp_path: Path) -> None:
    facts = [
        customer("square", "A", jan(3), phone="+15135550001"),
        customer("square", "B", jan(2), phone="+15135550001"),
        customer("shopify", "C", jan(1), phone="+15135550001", email="ann.lee@mail.io"),
        customer("shopify", "D", jan(4), email="tom@mail.io"),
    ]
    put("customers", facts)
    build(lake)
    first = rows(lake, "identities", "SELECT * FROM t ORDER BY ALL")
    other = Lake(str(tmp_path / "other"), lake.engine)
    for fact in reversed(facts):
        with other.session() as session:
            session.register("literal_rows", arrow_rows("customers", [fact]))
            session.append("customers", "SELECT * FROM literal_rows")
    build(other)
    assert rows(other, "identities", "SELECT * FROM t ORDER BY ALL") == first


@pytest.mark.slow
def test_materialising_again_and_in_any_order_of_days_gives_the_same_tables(
    lake: Lake, put: Put, tmp_path: Path
) -> None:
    put(
        "customers",
        [
            customer("square", "T1", jan(1), email="ann.lee@mail.io"),
            customer("square", "T2", jan(1), email="tom@mail.io"),
        ],
    )
    put(
        "orders",
        [
            order("shopify", "O1", jan(2), phone="+15135550001"),
            order("shopify", "O2", jan(3), phone="+15135550001", email="ann.lee@mail.io"),
            *(order("shopify", f"X{n}", jan(n), email=f"x{n}@mail.io", phone="+15135550007") for n in range(1, 10)),
        ],
    )
    put(
        "events",
        [
            event("1", "visit", jan(1), anonymous_id="d"),
            event("2", "login", jan(4), anonymous_id="d", email="tom@mail.io"),
        ],
    )
    days = [jan(n) for n in (1, 2, 3, 4, 8, 9, 12)]
    tables = ("identities", "identity_events", "profile_aliases", "profiles", "profile_identifiers")

    def state() -> dict[str, list[dict[str, Any]]]:
        return {name: rows(lake, name, "SELECT * FROM t ORDER BY ALL") for name in tables}

    for day in days:
        build(lake, day)
    forwards = state()
    for day in days:
        build(lake, day)
    assert state() == forwards
    for order_of_days in (
        list(reversed(days)),
        days[3:] + days[:3],
        [days[5], days[0], days[6], days[2], days[4], days[1], days[3]],
    ):
        for name in tables:
            shutil.rmtree(f"{lake.root}/{name}")
        lake = Lake(lake.root, lake.engine)
        for day in order_of_days:
            build(lake, day)
        assert state() == forwards
    kinds = {row["kind"] for row in forwards["identity_events"]}
    assert {"merge", "split", "blocked", "limit"} <= kinds
    assert forwards["profile_aliases"]


def test_an_older_day_leaves_the_golden_record_alone(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [customer("square", "T1", jan(1), city="Old"), customer("square", "T1", jan(1), updated=jan(5), city="New")],
    )
    build(lake, jan(6))
    assert not build(lake, jan(2)).newest
    assert [(row["as_of"], row["city"]) for row in rows(lake, "profiles")] == [(jan(6), "New")]


def test_merges_name_the_identifier_that_caused_them(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "T1", jan(1), email="ann.lee@mail.io"),
            customer("shopify", "S1", jan(2), phone="+15135550001"),
        ],
    )
    put("orders", [order("shopify", "O1", jan(5), customer_key="S1", email="ann.lee@mail.io")])
    build(lake, jan(3))
    report = build(lake, jan(5))
    assert report.merges == 1
    merge = events(lake, "merge")[0]
    assert (merge["rule"], merge["records"]) == ("email", 1)
    ids = {row["record_key"]: row["profile_id"] for row in rows(lake, "identities") if row["as_of"] == jan(3)}
    assert (merge["profile_id"], merge["other_profile_id"]) == (ids["T1"], ids["S1"])


def test_profiles_need_no_more_than_a_day_of_the_company_zone(lake: Lake, put: Put) -> None:
    # 23:30 in New York on the 31st is the 1st in UTC.
    late = datetime(2017, 2, 1, 4, 30, tzinfo=UTC)
    put("customers", [customer("square", "T1", jan(31), created_at=late, updated_at=late)])
    assert build_identities(lake, AsOf(DAY, "UTC"), IdentityRules()).records == 0
    assert build_identities(lake, AsOf(DAY, "America/New_York"), IdentityRules()).records == 1
    assert DAY + timedelta(days=1) == date(2017, 2, 1)
