"""The suite `compiler` on Spark: fewer worlds, and more rules of each, since a session's statements cost the same for one rule as for many."""

from pathlib import Path

from hypothesis import given, strategies as st

from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.evaluate import World
from segment_pipeline.segments.rules import Quantity, Rule
from segment_pipeline_tests.conftest import engine_of
from segment_pipeline_tests.prove.suite import Suite, examples
from segment_pipeline_tests.segments.random_rules import rule_lists, values
from segment_pipeline_tests.segments.random_worlds import worlds
from segment_pipeline_tests.segments.test_compiler_against_evaluator import same_members, same_values

EXAMPLES = 5
LISTS = 3


def prove(seed: int, folder: Path) -> int:
    lake, tried = Lake(str(folder / "lake"), engine_of("spark", folder)), 0

    @given(
        world=worlds(),
        lists=st.lists(rule_lists(), min_size=LISTS, max_size=LISTS),
        quantities=st.lists(values(), min_size=8, max_size=12),
    )
    def holds(world: World, lists: list[list[Rule]], quantities: list[Quantity]) -> None:
        nonlocal tried
        rules = [rule for each in lists for rule in each]
        same_members(lake, world, rules)
        same_values(lake, world, quantities)
        tried += len(rules) + len(quantities)

    examples(holds, seed, EXAMPLES)
    return tried


SUITE = Suite(
    "On Spark the compiler and the plain evaluator name the same members and values.",
    range(8),
    prove,
    units="rules and values",
)
