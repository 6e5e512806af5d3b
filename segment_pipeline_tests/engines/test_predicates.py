"""Predicates in SQL hold of the same people on both engines."""

from contextlib import suppress

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.compiler.held import Refused
from segment_pipeline.profiles.compiler.portable import condition
from segment_pipeline.profiles.compiler.predicates import parsed
from segment_pipeline.segments.rules import sql
from segment_pipeline_tests.segments.conftest import compiled_members, segment
from segment_pipeline_tests.segments.random_predicates import ROWS, TYPES, Predicates
from segment_pipeline_tests.segments.test_predicates import HOLDS, PEOPLE
from segment_pipeline_tests.segments.test_rules_meaning import world

pytestmark = pytest.mark.spark


def test_every_predicate_holds_of_the_same_people(both_lake: Lake) -> None:
    segments = [segment(f"s{n}", sql(text)) for n, text in enumerate(HOLDS)]
    assert compiled_members(both_lake, segments, world([*PEOPLE])) == {
        f"s{n}": found for n, found in enumerate(HOLDS.values())
    }


def test_no_random_predicate_fails_on_a_row_or_differs_between_engines(both_lake: Lake) -> None:
    given, asked = Predicates(7), list[str]()
    while len(asked) < 200:
        text = given.one(2)
        with suppress(Refused):
            asked.append(condition(parsed(text), TYPES).sql(dialect="duckdb"))
    with both_lake.session() as session:
        session.register("rows_at_edges", ROWS)
        for first in range(0, len(asked), 20):
            chosen = ", ".join(f"{text} AS e{number}" for number, text in enumerate(asked[first : first + 20]))
            assert len(session.rows(f"SELECT {chosen} FROM rows_at_edges AS t")) == len(ROWS)
