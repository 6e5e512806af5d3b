"""What is taken out as a frame is what the lake holds: exact, typed, of one day."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.frames import memberships, sizes, traits
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import Rows

MONDAY, TUESDAY = date(2026, 3, 9), date(2026, 3, 10)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)})


@pytest.fixture
def days(put: Callable[[str, Rows], None]) -> None:
    put(
        "traits",
        [
            {
                "as_of": MONDAY,
                "profile_id": "ann",
                "orders_total": 1,
                "spend_total": Decimal("0.1000"),
                "interests": ["tea"],
            },
            {"as_of": TUESDAY, "profile_id": "bob"},
            {"as_of": TUESDAY, "profile_id": "ann", "orders_total": 2, "spend_total": Decimal("0.3000")},
        ],
    )
    put(
        "memberships",
        [
            {"as_of": TUESDAY, "segment": segment, "definition_hash": "h", "profile_id": person}
            for segment, person in (("vip", "ann"), ("dormant", "bob"), ("vip", "bob"))
        ],
    )
    put(
        "segment_sizes",
        [
            {"as_of": day, "segment": segment, "definition_hash": "h", "size": size, "population": 2, "inputs": "{}"}
            for day, segment, size in ((MONDAY, "vip", 1), (TUESDAY, "vip", 2), (TUESDAY, "dormant", 1))
        ],
    )


def test_traits_are_the_newest_day_s_by_person_unless_another_is_asked_for(days: None, settings: Settings) -> None:
    assert traits(settings=settings).index.tolist() == ["ann", "bob"]
    assert traits(MONDAY, settings=settings)["interests"].map(list).to_dict() == {"ann": ["tea"]}


def test_numbers_stay_what_they_are(days: None, settings: Settings) -> None:
    """A whole number with NULLs stays whole, money stays a decimal: 0.1 + 0.2 is 0.3."""
    found = traits(columns=["orders_total", "spend_total"], settings=settings)
    assert list(found.columns) == ["orders_total", "spend_total"]
    assert found.loc["ann", "orders_total"] == 2
    assert found["orders_total"].isna().tolist() == [False, True]
    assert found["spend_total"].sum() == Decimal("0.3000")
    assert found["spend_total"].astype(float).sum() == 0.3


def test_memberships_are_one_row_per_person_and_segment(days: None, settings: Settings) -> None:
    assert memberships(settings=settings).to_numpy().tolist() == [["dormant", "bob"], ["vip", "ann"], ["vip", "bob"]]
    assert memberships(segments=["dormant"], settings=settings)["profile_id"].tolist() == ["bob"]


def test_sizes_are_one_row_per_day_with_nothing_where_nothing_was_evaluated(days: None, settings: Settings) -> None:
    found = sizes(settings=settings)
    assert found.index.tolist() == [MONDAY, TUESDAY]
    assert found["vip"].tolist() == [1, 2]
    assert found["dormant"].isna().tolist() == [True, False]


def test_what_is_not_there_is_said(days: None, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="no traits as of 2026-01-01, it has 2 days from 2026-03-09 to 2026-03-10"):
        traits(date(2026, 1, 1), settings=settings)
    with pytest.raises(ConfigError, match="there is no trait shoe_size"):
        traits(columns=["orders_total", "shoe_size"], settings=settings)
    with pytest.raises(ConfigError, match="no segment vpi was evaluated as of 2026-03-10"):
        memberships(segments=["vip", "vpi"], settings=settings)


def test_an_empty_lake_says_what_to_run(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="no memberships as of any day, it has none yet: segment-pipeline refresh"):
        memberships(settings=settings)
