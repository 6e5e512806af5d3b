"""Ranks among people whom other conditions tell apart: found over `segment_people_before`, which has the words of all others."""

from dataclasses import dataclass

from sqlglot import exp

from segment_pipeline.algebra.nodes import RankRule
from segment_pipeline.profiles.compiler.conditions import Bits
from segment_pipeline.profiles.compiler.expressions import (
    Expressions,
    column,
    folded,
    place_of,
    union,
    value,
    with_words,
)


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run."""

    bits: Bits
    expressions: Expressions

    def words(self) -> exp.Select:
        """One row per person in some rank: the words of ranks."""
        rows = [
            exp.select(column("person_no"), *place_of(bit)).from_(self._ranked(condition.rule).subquery("ranked"))
            for condition, bit in self.bits.late.items()
        ]
        return folded(union(rows).subquery("places"), self.bits.late_words)

    def people(self) -> exp.Select:
        """`segment_people_before` with the words of ranks beside its own."""
        query = exp.select("b.*").from_(exp.to_table("segment_people_before").as_("b"))
        return with_words(query, "b", "segment_ranked", self.bits.late_words)

    def _ranked(self, rule: RankRule) -> exp.Select:
        """One row per person in the rank; people are numbered in the order of their ids."""
        groups = [column(rule.per, "t")] if rule.per else []
        order = exp.Order(
            expressions=[
                exp.Ordered(this=column(rule.trait, "t"), desc=True),
                exp.Ordered(this=column("person_no", "b")),
            ]
        )
        place = exp.Window(this=exp.RowNumber(), partition_by=groups, order=order)
        number = exp.Window(
            this=exp.Count(this=exp.Star(), big_int=True), partition_by=[each.copy() for each in groups]
        )
        query = exp.select(column("person_no", "b"), exp.alias_(place, "place"), exp.alias_(number, "number"))
        query = query.from_(exp.to_table("segment_people_before").as_("b"), copy=False)
        for table, alias, key, other in (("people", "n", "person_no", "b"), ("traits", "t", "profile_id", "n")):
            on = exp.EQ(this=column(key, alias), expression=column(key, other))
            query = query.join(exp.to_table(table).as_(alias), on=on, copy=False)
        known = [
            exp.Not(this=exp.Is(this=each.copy(), expression=exp.null())) for each in (column(rule.trait, "t"), *groups)
        ]
        query = query.where(*known, copy=False)
        if rule.among is not None:
            query = query.where(self.expressions.of(rule.among), copy=False)
        if rule.share is None:
            met: exp.Expr = exp.LTE(this=column("place"), expression=value(rule.n or 0))
        else:
            before = exp.cast(exp.Paren(this=exp.Sub(this=column("place"), expression=value(1))), "DECIMAL(18,0)")
            share = exp.cast(exp.Literal.string(format(rule.share, "f")), "DECIMAL(19,18)")
            met = exp.LT(
                this=before, expression=exp.Mul(this=exp.cast(column("number"), "DECIMAL(18,0)"), expression=share)
            )
        return exp.select(column("person_no")).from_(query.subquery("placed")).where(met)
