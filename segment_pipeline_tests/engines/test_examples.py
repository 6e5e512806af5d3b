"""Every wish of the reference on both engines."""

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.examples import EXAMPLES
from segment_pipeline_tests.segments.conftest import compiled_members, segment
from segment_pipeline_tests.segments.test_examples import MEANT, WORLD

pytestmark = pytest.mark.spark


def test_every_wish_finds_the_same_people(both_lake: Lake) -> None:
    segments = [segment(f"s{n}", example.rule) for n, example in enumerate(EXAMPLES)]
    meant = {f"s{n}": set(MEANT[example.wish].split()) for n, example in enumerate(EXAMPLES)}
    assert compiled_members(both_lake, segments, WORLD) == meant
