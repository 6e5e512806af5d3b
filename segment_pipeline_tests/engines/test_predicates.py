"""Predicates in SQL hold of the same people on both engines."""

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.rules import sql
from segment_pipeline_tests.segments.conftest import compiled_members, segment
from segment_pipeline_tests.segments.test_predicates import HOLDS, PEOPLE
from segment_pipeline_tests.segments.test_rules_meaning import world

pytestmark = pytest.mark.spark


def test_every_predicate_holds_of_the_same_people(both_lake: Lake) -> None:
    segments = [segment(f"s{n}", sql(text)) for n, text in enumerate(HOLDS)]
    assert compiled_members(both_lake, segments, world([*PEOPLE])) == {
        f"s{n}": found for n, found in enumerate(HOLDS.values())
    }
