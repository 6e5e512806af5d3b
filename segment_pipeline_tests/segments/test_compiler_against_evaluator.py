"""Random rules and traits over random people: the compiler's SQL and the plain evaluator name the same members and values."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from segment_pipeline.algebra.parts import Value
from segment_pipeline.algebra.trees import children
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.compiler.kinds import NUMBERS, Kinds
from segment_pipeline.profiles.traits.sets import trait_types
from segment_pipeline.segments.evaluate import World, members, value_of
from segment_pipeline.segments.rules import Quantity, Rule, member_of, none_of
from segment_pipeline.segments.validation import validate
from segment_pipeline_tests.segments.conftest import compiled_members, compiled_values, segment
from segment_pipeline_tests.segments.random_rules import rule_lists, values
from segment_pipeline_tests.segments.random_worlds import worlds


@pytest.fixture(scope="module")
def engine_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    path: Path = tmp_path_factory.mktemp("property")
    return Lake(str(path / "lake"), DuckDBEngine(memory="500MB", threads=1, spill=path / "spill"))


def same_members(lake: Lake, world: World, wheres: list[Rule]) -> None:
    segments = [segment(f"s{number}", where) for number, where in enumerate(wheres)]
    segments.append(segment("outside", none_of(member_of("s0"), member_of("s10"))))
    # What is combined may contradict itself, which is refused; it has to mean the same to both all the same.
    assert validate([one for one in segments if not children(one.where)]) == []
    assert compiled_members(lake, segments, world) == members(segments, world)


def same_values(lake: Lake, world: World, quantities: Sequence[Quantity]) -> None:
    """Of each the value and its type, as a company's own traits have them."""
    kinds = Kinds(trait_types(), {})
    values = [one.value for one in quantities if isinstance(one.value, Value)]
    assert len(values) == len(quantities)
    asked = {f"own_{number}": (value, kinds.of(value) or "") for number, value in enumerate(values)}
    found = compiled_values(lake, asked, world)
    assert found.keys() == {person["profile_id"] for person in world.traits}
    for person in world.traits:
        for name, (value, kind) in asked.items():
            meant, got = value_of(value, world, person), found[person["profile_id"]][name]
            assert _same(meant, got, kind), f"{value}: {meant} and {got}"


def _same(meant: Any, got: Any, kind: str) -> bool:
    if meant is None or got is None or kind not in NUMBERS:
        return bool(meant == got)
    if kind == "DOUBLE":
        return bool(got == pytest.approx(float(meant)))
    digits = {"MONEY": 4, "RATE": 8}.get(kind, 0)
    # A product has more digits than are kept.
    return isinstance(got, int | Decimal) and abs(Fraction(got) - Fraction(meant)) <= Fraction(1, 2 * 10**digits)


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(world=worlds(), quantities=st.lists(values(), min_size=8, max_size=12))
def test_compiler_and_evaluator_say_the_same_values(
    engine_lake: Lake, world: World, quantities: list[Quantity]
) -> None:
    same_values(engine_lake, world, quantities)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(world=worlds(), wheres=rule_lists())
def test_compiler_and_evaluator_name_the_same_members(engine_lake: Lake, world: World, wheres: list[Rule]) -> None:
    same_members(engine_lake, world, wheres)
