"""Random rules over random people: the compiler's SQL and the plain evaluator name the same members."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from segment_pipeline.algebra.trees import children
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.evaluate import World, members
from segment_pipeline.segments.rules import Rule, member_of, none_of
from segment_pipeline.segments.validation import validate
from segment_pipeline_tests.segments.conftest import compiled_members, segment
from segment_pipeline_tests.segments.random_rules import rule_lists
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


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(world=worlds(), wheres=rule_lists())
def test_compiler_and_evaluator_name_the_same_members(engine_lake: Lake, world: World, wheres: list[Rule]) -> None:
    same_members(engine_lake, world, wheres)
