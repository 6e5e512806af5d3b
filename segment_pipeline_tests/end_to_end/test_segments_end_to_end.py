"""The people planted in the demo's world are found by the starter's segments, through the real pipeline and the report."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.starter.segments.all import STARTER_SEGMENTS

# Planted as near misses: they left a cart and then bought what was in it at the till.
BOUGHT_AT_THE_TILL = {"P-abandoned_cart-1"}
FIRST_FIVE = ("weekly_women", "churned_runners", "gift_givers", "early_adopters", "abandoned_cart")
EXAMPLES = (
    *FIRST_FIVE, "recent_visitors", "complement_missing", "social_engaged", "repeat_viewers", "category_interest",
    "late_night_snackers", "parents_infant", "logged_in_idle", "prepaid_balance", "newcomers", "dormant",
)  # fmt: skip


@pytest.fixture(scope="module")
def opened(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The newest day's memberships, and the profiles that hold each planted person's records."""
    engine = DuckDBEngine(memory="500MB", threads=2, spill=tmp_path_factory.mktemp("spill"))
    lake = Lake(str(demo_home / "lake"), engine)
    [*_, newest] = lake.snapshots("memberships")
    with lake.session() as session:
        session.scan("memberships", partitions={"as_of": [newest]})
        session.scan("identities", partitions={"as_of": [newest]})
        session.register("truth", pq.read_table(demo_home / "sandbox" / "truth" / "records.parquet"))
        yield session


def planted(session: Session, example: str) -> dict[str, set[str]]:
    """Profiles by planted person."""
    found: dict[str, set[str]] = {}
    for row in session.rows(
        "SELECT DISTINCT t.person_id, i.profile_id FROM truth AS t"
        " JOIN identities AS i ON i.source = t.source AND i.record_key = t.record_key WHERE t.planted = $example",
        example=example,
    ):
        found.setdefault(row["person_id"], set()).add(row["profile_id"])
    return found


def members(session: Session, segment: str) -> set[str]:
    rows = session.rows("SELECT profile_id FROM memberships WHERE segment = $segment", segment=segment)
    return {row["profile_id"] for row in rows}


@pytest.mark.parametrize("example", EXAMPLES)
def test_planted_people_are_members_and_near_misses_are_not(opened: Session, example: str) -> None:
    people = planted(opened, example)
    inside = members(opened, example)
    assert len(people) >= 2
    wrong = {
        person: len(profiles & inside)
        for person, profiles in people.items()
        if bool(profiles & inside) == (person in BOUGHT_AT_THE_TILL)
    }
    assert wrong == {}


@pytest.mark.parametrize("example", FIRST_FIVE)
def test_the_first_five_examples_have_members(opened: Session, demo_home: Path, example: str) -> None:
    report = json.loads((demo_home / "report.json").read_text())
    assert report["segments"][example] == len(members(opened, example)) >= 1


def test_the_report_counts_every_segment_of_the_starter(opened: Session, demo_home: Path) -> None:
    report = json.loads((demo_home / "report.json").read_text())
    assert set(report["segments"]) == {segment.name for segment in STARTER_SEGMENTS}
    assert all(len(members(opened, name)) == size for name, size in report["segments"].items())
