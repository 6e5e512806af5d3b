"""A sync stopped anywhere, and a company that changes before the next one: the next run ends right."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from segment_pipeline_tests.audiences import three
from segment_pipeline_tests.audiences.histories import (
    CHANGES,
    ENDINGS,
    HISTORIES,
    converges,
    ends_right_after_kills,
    finishes_after_kills,
    lose_ledger,
    started,
    steps_of,
)
from segment_pipeline_tests.audiences.tool import KINDS


@pytest.mark.kills
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_point_the_next_run_ends_right(tmp_path: Path, kind: str) -> None:
    """SIGKILL of a real process at points spread over the whole run, each followed by another change."""
    start, changes = tmp_path / "start", list(CHANGES)
    started(start, kind)
    steps = steps_of(start, kind)
    assert steps > 24
    last = len(changes) - 1
    kills = [(1 + number * (steps - 1) // last, change) for number, change in enumerate(changes)]
    assert ends_right_after_kills(start, kind, kills) == len(kills)


@pytest.mark.kills
@pytest.mark.parametrize("what", ENDINGS)
@pytest.mark.parametrize("kind", ["one_record", "whole_row"])
def test_killed_at_any_point_of_something_else_the_same_call_finishes_it(tmp_path: Path, kind: str, what: str) -> None:
    start = tmp_path / "start"
    started(start, kind)
    if what == "reconcile":
        lose_ledger(start)
    steps = steps_of(start, kind, what)
    kills = [1 + number * (steps - 1) // 3 for number in range(4)]
    assert finishes_after_kills(start, kind, what, kills) == 4


@pytest.mark.kills
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(history=HISTORIES)
def test_random_histories_with_random_crashes_converge(
    tmp_path_factory: pytest.TempPathFactory, kind: str, history: dict[str, Any]
) -> None:
    converges(tmp_path_factory.mktemp("history"), kind, **history)


@pytest.mark.kills
@pytest.mark.parametrize("seed", range(6))
def test_declaration_memory_and_tool_each_change_and_an_audience_is_right_or_says_why_not(
    tmp_path: Path, seed: int
) -> None:
    three.converges(tmp_path / "home", seed)
