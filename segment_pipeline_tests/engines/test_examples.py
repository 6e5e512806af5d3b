"""Every wish of the reference on both engines."""

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.evaluate import members
from segment_pipeline.segments.examples import EXAMPLES
from segment_pipeline_tests.segments.conftest import compiled_members, segment
from segment_pipeline_tests.segments.test_examples import MEANT, WORLD
from segment_pipeline_tests.segments.test_values import RULES, WORLD as WIDE

pytestmark = pytest.mark.spark


def test_every_wish_finds_the_same_people(both_lake: Lake) -> None:
    segments = [segment(f"s{n}", example.rule) for n, example in enumerate(EXAMPLES)]
    meant = {f"s{n}": set(MEANT[example.wish].split()) for n, example in enumerate(EXAMPLES)}
    assert compiled_members(both_lake, segments, WORLD) == meant


def test_numbers_are_compared_by_all_their_digits(both_lake: Lake) -> None:
    """Beside a number written wider than it is Spark takes digits off the other."""
    segments = [segment(f"s{number}", rule) for number, rule in enumerate(RULES.values())]
    assert compiled_members(both_lake, segments, WIDE) == members(segments, WIDE)
