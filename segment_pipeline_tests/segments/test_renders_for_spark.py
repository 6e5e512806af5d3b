"""What the compiler makes of whole catalogues is SQL that Spark's grammar takes too, statement by statement."""

from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from segment_pipeline.days import AsOf
from segment_pipeline.lake.duckdb_engine import DuckDBConnection
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.spark_dialect import render
from segment_pipeline.profiles.compiler.compilation import compile_segments
from segment_pipeline.profiles.traits.sets import trait_types
from segment_pipeline.segments.evaluate import World
from segment_pipeline.segments.rules import Segment
from segment_pipeline.starter.segments.all import STARTER_SEGMENTS
from segment_pipeline_tests.benchmarks.stages.segments import ASSORTMENT
from segment_pipeline_tests.benchmarks.varied_segments import varied_segments
from segment_pipeline_tests.segments.conftest import DAY, act, compiled_members, person

WORLD = World(DAY, [person("ann", spend_365d=10)], activities=[act("ann", "visit", 1)])


@pytest.mark.parametrize("segments", [STARTER_SEGMENTS, varied_segments(200, ASSORTMENT)], ids=["starter", "varied"])
def test_every_statement_of_a_run_parses_after_rendering(
    lake: Lake, segments: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}
    define = DuckDBConnection.define

    def noted(self: DuckDBConnection, name: str, sql: str, **how: Any) -> None:
        seen[name] = sql
        define(self, name, sql, **how)

    monkeypatch.setattr(DuckDBConnection, "define", noted)
    compiled_members(lake, segments, WORLD)
    seen["members"] = compile_segments(segments, AsOf(DAY, "UTC"), traits=trait_types()).members().text
    assert {"segment_matches", "segment_plain_words", "segment_other_words", "segment_people"} <= seen.keys()
    for name, sql in seen.items():
        tree = sqlglot.parse_one(render(sql, name), read="spark")
        assert isinstance(tree, exp.Query), name
        assert tree.find(exp.Anonymous) is None, name
