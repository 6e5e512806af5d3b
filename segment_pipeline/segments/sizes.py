"""How segments come to their sizes, and what these were: terms with who is left after each, and the sizes of the days before."""

from collections.abc import Collection
from datetime import date, timedelta

from sqlglot import exp

from segment_pipeline.algebra.nodes import AllOf
from segment_pipeline.algebra.parts import Rule
from segment_pipeline.algebra.trees import Named
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import built
from segment_pipeline.profiles.compiler.compilation import Compilation
from segment_pipeline.segments.wording import words

# The terms of a segment in words, and how many people are left after it and all before it.
Funnel = tuple[tuple[str, int], ...]


def terms_of(segment: Named) -> tuple[Rule, ...]:
    """The terms of a segment's all_of, or the one rule it consists of."""
    return segment.where.rules if isinstance(segment.where, AllOf) else (segment.where,)


def funnels_of(session: Session, compilation: Compilation) -> dict[str, Funnel]:
    """By segment compiled who is left after each of its terms, counted in one pass over `segment_people`."""
    query, asked = exp.select(), 0
    for segment in compilation.segments:
        met: list[exp.Expr] = []
        for term in terms_of(segment):
            met.append(compilation.expressions.of(term))
            query, asked = query.select(counted(exp.and_(*met), f"left_{asked}"), copy=False), asked + 1
    if not asked:
        return {segment.name: () for segment in compilation.segments}
    statement = built("segments/funnels", query.from_(exp.to_table("segment_people")))
    left = iter(session.rows(statement)[0].values())
    return {one.name: tuple((words(term), next(left)) for term in terms_of(one)) for one in compilation.segments}


def sizes_of(lake: Lake, segments: Collection[str], last: date, *, days: int = 90) -> dict[str, list[tuple[date, int]]]:
    """By segment its size on each of the last so many days that was evaluated, newest last, whatever it was defined as then."""
    with lake.session() as session:
        session.scan("segment_sizes")
        rows = session.rows(
            "SELECT segment, as_of, size FROM segment_sizes WHERE as_of > $before AND as_of <= $last ORDER BY as_of",
            before=last - timedelta(days=days),
            last=last,
        )
    found: dict[str, list[tuple[date, int]]] = {name: [] for name in segments}
    for row in rows:
        if row["segment"] in found:
            found[row["segment"]].append((row["as_of"], row["size"]))
    return found


def counted(holds: exp.Expr, name: str) -> exp.Expr:
    """For how many rows it holds. With many of them, `count_if` costs a fraction of `count(*) FILTER`."""
    return exp.alias_(exp.cast(exp.CountIf(this=holds.copy()), "BIGINT"), name)
