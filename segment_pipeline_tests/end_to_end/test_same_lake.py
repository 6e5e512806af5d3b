"""The same pulled responses give the same lake, and the same lake the same derived tables, whatever the order.

The sandbox moves between the pulls: records change, arrive late, merge and vanish. On a still one this would prove nothing.
"""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from segment_pipeline.days import Window
from segment_pipeline.lake import canonical
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import BEGINNING
from segment_pipeline.landing.raw import Pulled
from segment_pipeline_tests.end_to_end.company import (
    LAST,
    Company,
    company,
    content,
    current_keys,
    fresh_lake,
    night_after,
    supersede,
)

pytestmark = pytest.mark.slow
FIRST = LAST - timedelta(days=5)
# The last is late enough for what happens to the world's records after its last day.
NIGHTS = [night_after(LAST - timedelta(days=3)), night_after(LAST), night_after(LAST + timedelta(days=8))]
LANDED = [table.name for table in canonical.TABLES if table.name != "loads"]
DERIVED = [
    "identities", "identity_events", "profile_aliases", "profiles", "profile_identifiers", "traits", "trait_shares",
    "memberships", "membership_changes", "segment_sizes",
]  # fmt: skip
DAYS = [LAST - timedelta(days=n) for n in (4, 3, 1, 0)]
Piece = tuple[Pulled, Window | None]


@dataclass
class Told:
    """The pulls of three nights, the lake they make landed one after the other, and the days each pull had rows of."""

    company: Company
    pulls: list[Pulled]
    days: list[set[date]]
    lake: Lake
    folder: Path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("same-lake")
    with company(folder / "home", households=40, days=30) as made:
        move_people(made, NIGHTS[0] + timedelta(days=1))
        move_people(made, NIGHTS[1] + timedelta(days=1))
        pulls: list[Pulled] = []
        for night in NIGHTS:
            made.move(night)
            pulls += made.pull(Window(FIRST, night.date() - timedelta(days=1)), first=not pulls)
        lake = fresh_lake(folder / "in-order")
        made.rates(lake)
        days = [set().union(*made.land(lake, pulled).values()) for pulled in pulls]
        yield Told(made, pulls, days, lake, folder)


def move_people(made: Company, at: datetime) -> None:
    """A Square customer vanishes, as after a merge, and another changes address; a Shopify one as well."""
    gone, moved = current_keys(made.home, "square", "customers", at)[:2]
    supersede(made.home, ("square", "customers", gone), at, None)
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    supersede(
        made.home,
        ("square", "customers", moved),
        at,
        lambda body: body | {"updated_at": stamp, "version": 9, "email_address": f"moved.{at:%d}@new.example.net"},
    )
    [gone] = current_keys(made.home, "shopify", "customers", at)[:1]
    supersede(made.home, ("shopify", "customers", gone), at, None)
    [closed] = current_keys(made.home, "square", "locations", at)[:1]
    supersede(made.home, ("square", "locations", closed), at, None)


def by_day(told: Told) -> list[Piece]:
    """Each pull cut into single days; what a first pull of a dimension brings from before the window goes in one piece."""
    pieces: list[Piece] = []
    for pulled, days in zip(told.pulls, told.days, strict=True):
        if any(day < FIRST for day in days):
            pieces.append((pulled, Window(BEGINNING, FIRST - timedelta(days=1))))
        pieces += [(pulled, Window.of(day)) for day in sorted(days) if day >= FIRST]
    return pieces


def landed(told: Told, name: str, pieces: list[Piece]) -> dict[str, list[str]]:
    lake = fresh_lake(told.folder / name)
    told.company.rates(lake)
    for pulled, only in pieces:
        told.company.land(lake, pulled, only=only)
    return content(lake, LANDED)


def test_the_world_moved_between_the_pulls(told: Told) -> None:
    with told.lake.session() as session:
        for name in ("customers", "orders", "events", "stores"):
            session.scan(name)
        changed = {
            entity: session.value(
                f"SELECT count(*) FROM (SELECT source, {entity}_key FROM {entity}s GROUP BY ALL"
                " HAVING count(DISTINCT updated_at) > 1)"
            )
            for entity in ("customer", "order")
        }
        closed = session.value("SELECT count(*) FROM stores WHERE deleted_on IS NOT NULL")
        late = session.value(
            "SELECT count(*) FROM events WHERE CAST(occurred_at AT TIME ZONE $zone AS DATE) < day",
            zone=told.company.settings.timezone,
        )
    assert changed["customer"] >= 2
    assert changed["order"] >= 2
    assert late >= 1
    assert closed >= 1
    for vendor in ("square", "shopify"):
        shown = [set(current_keys(told.company.home, vendor, "customers", night)) for night in NIGHTS]
        assert shown[0] - shown[1], vendor
        assert shown[1] - shown[2], vendor


def test_landed_day_by_day_it_is_the_same_lake(told: Told) -> None:
    assert landed(told, "by-day", by_day(told)) == content(told.lake, LANDED)


def test_landed_shuffled_and_twice_it_is_the_same_lake(told: Told) -> None:
    chance = random.Random(11)
    whole: list[Piece] = [(pulled, None) for pulled in told.pulls]
    pieces = [*whole, *whole, *chance.sample(by_day(told), 25)]
    chance.shuffle(pieces)
    assert landed(told, "shuffled", pieces) == content(told.lake, LANDED)


def derived(told: Told, name: str, runs: list[list[date]]) -> dict[str, list[str]]:
    """The derived tables after runs of some days each."""
    shutil.copytree(told.folder / "in-order" / "lake", told.folder / name / "lake")
    lake = fresh_lake(told.folder / name)
    for days in runs:
        told.company.derive(lake, days)
    return content(lake, DERIVED, without=["inputs"])


@pytest.fixture(scope="module")
def forward(told: Told) -> dict[str, list[str]]:
    return derived(told, "forward", [[day] for day in DAYS])


@pytest.mark.parametrize(
    "runs",
    [[[3], [1], [2], [1], [0], [3]], [[0, 1, 2, 3]], [[2, 3], [0, 1]]],
    ids=["newest first, some between and some again", "in one run", "two runs, the later days first"],
)
def test_derived_in_any_order_and_grouping_of_days_it_is_the_same(
    told: Told, forward: dict[str, list[str]], runs: list[list[int]]
) -> None:
    name = "-".join("".join(map(str, run)) for run in runs)
    made = derived(told, f"runs-{name}", [[DAYS[n] for n in run] for run in runs])
    for name in DERIVED:
        assert made[name] == forward[name], name


def test_running_a_past_day_again_changes_no_table(told: Told, forward: dict[str, list[str]]) -> None:
    lake = fresh_lake(told.folder / "forward")
    for day in DAYS[:-1]:
        told.company.derive(lake, [day])
        again = content(lake, DERIVED, without=["inputs"])
        assert {name for name in DERIVED if again[name] != forward[name]} == set(), day
    assert all(forward[name] for name in DERIVED if name != "profile_aliases")
