"""Random rules and traits over random people: the compiler's SQL and the plain evaluator name the same members and values."""

from pathlib import Path

from hypothesis import given, strategies as st

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.evaluate import World
from segment_pipeline.segments.rules import Quantity, Rule
from segment_pipeline_tests.prove.suite import Suite, examples
from segment_pipeline_tests.segments.random_rules import rule_lists, values
from segment_pipeline_tests.segments.random_worlds import worlds
from segment_pipeline_tests.segments.test_compiler_against_evaluator import same_members, same_values

EXAMPLES = 250


def prove(seed: int, folder: Path) -> int:
    lake = Lake(str(folder / "lake"), DuckDBEngine(memory="500MB", threads=1, spill=folder / "spill"))

    @given(world=worlds(), wheres=rule_lists(), quantities=st.lists(values(), min_size=8, max_size=12))
    def holds(world: World, wheres: list[Rule], quantities: list[Quantity]) -> None:
        same_members(lake, world, wheres)
        same_values(lake, world, quantities)

    return examples(holds, seed, EXAMPLES)


SUITE = Suite(
    "The compiler and the plain evaluator name the same members and values.", range(80), prove, units="worlds"
)
