"""Who meets which condition on activities, shares and ranks: rows of a person, and the word and mask of the condition's bit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa
from sqlglot import exp

from segment_pipeline.algebra.parts import Activities
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import built, statement
from segment_pipeline.profiles.compiler import aggregates
from segment_pipeline.profiles.compiler.aggregates import PLACE, Selection
from segment_pipeline.profiles.compiler.conditions import (
    Bits,
    CountCondition,
    DomainCondition,
    KnownShareCondition,
    Measure,
    PastCondition,
    SequenceCondition,
    ShareCondition,
    StoreCondition,
    SumCondition,
    TopCondition,
    UnfollowedCondition,
)
from segment_pipeline.profiles.compiler.domains import at_domains
from segment_pipeline.profiles.compiler.expressions import column, nothing, place_of, union
from segment_pipeline.profiles.compiler.extracts import Extracts
from segment_pipeline.profiles.compiler.filters import Latest, Shape
from segment_pipeline.profiles.compiler.past import past
from segment_pipeline.profiles.compiler.stores import near_stores


@dataclass(frozen=True)
class Matches:
    """The matches of all conditions of a run but those on names alone and on traits."""

    bits: Bits
    extracts: Extracts
    latest: Latest

    @cached_property
    def measures(self) -> Mapping[Measure, int]:
        """Numbers for what has to be counted or summed."""
        counted = (c for c in self.bits.others if isinstance(c, CountCondition | SumCondition) and not _met_by_one(c))
        return {measure: number for number, measure in enumerate(dict.fromkeys(c.measure for c in counted))}

    def define(self, session: Session) -> None:
        """Make `segment_matches` a view; a person may have the same row twice, bits do not mind."""
        counts: list[exp.Select] = []
        sums: list[exp.Select] = []
        met: list[exp.Select] = []
        for selection, chosen in self._chosen(session):
            if selection.carried != ("measure",):
                met.append(
                    exp.select(*(column(key) for key in ("person_no", "word", "mask"))).from_(chosen.subquery("met"))
                )
            elif selection.shape.kind in ("amount", "quantity"):
                sums.append(aggregates.aggregated(selection.shape.kind, chosen))
            else:
                counts.append(aggregates.aggregated(selection.shape.kind, chosen))
        none = nothing(person_no="INTEGER", measure="INTEGER", n="BIGINT")
        session.define("segment_counts", built("segments/counts", union(counts or [none])))
        none = nothing(person_no="INTEGER", measure="INTEGER", total="DECIMAL(38,8)")
        session.define("segment_sums", built("segments/sums", aggregates.added_up(union(sums or [none]))))
        for name, rows in self._terms().items():
            session.register(name, rows)
        session.define("segment_terms_met", statement("profiles/compiler", "matches"))
        terms = exp.select(*(column(key) for key in ("person_no", "word", "mask"))).from_(
            exp.to_table("segment_terms_met")
        )
        session.define("segment_matches", built("segments/matches", union([terms, *met, *self._ranks_and_sequences()])))

    def _selections(self) -> list[Selection]:
        found: dict[tuple[Shape, str, bool], dict[Activities, Mapping[str, int]]] = {}
        for condition, bit in self.bits.others.items():
            if isinstance(condition, CountCondition | SumCondition):
                measure, at_once = condition.measure, _met_by_one(condition)
                target = {"word": bit.word, "mask": bit.mask} if at_once else {"measure": self.measures[measure]}
                for of in measure.parts:
                    key = (Shape.of(measure), self.extracts.of(of.name).table, at_once)
                    found.setdefault(key, {})[of] = target
        return [
            Selection(shape, self.extracts.of(next(iter(counts_for)).name), counts_for)
            for (shape, _, _), counts_for in found.items()
        ]

    def _chosen(self, session: Session) -> list[tuple[Selection, exp.Select]]:
        """Each selection with the query of its chosen activities, those that followers rule out left out."""
        chosen: list[tuple[Selection, exp.Select]] = []
        candidates: list[exp.Select] = []
        for number, selection in enumerate(self._selections()):
            name = f"segment_selection_{number}"
            selection.define(session, name, self.extracts, self.latest)
            query = selection.chosen(name)
            if selection.shape.has_follower:
                held = f"segment_candidates_{number}"
                session.define(held, built("segments/candidates", aggregates.about_items(query)), materialize=True)
                candidates.append(exp.select(column("person_no"), column("item_key")).from_(exp.to_table(held)))
                query = aggregates.unfollowed(selection, held, self.extracts)
            chosen.append((selection, query))
        if candidates:
            session.define("segment_candidates", built("segments/candidates", union(candidates)))
            same = statement("profiles/compiler", "same_articles")
            session.define("segment_same_articles", same, materialize=True)
            shapes = [selection.shape for selection, _ in chosen]
            followers = {name for shape in shapes for name in (shape.not_followed_by, shape.never) if name is not None}
            last = union([aggregates.last(name, self.extracts) for name in sorted(followers)])
            session.define("segment_last", built("segments/last", last), materialize=True)
        return chosen

    def _ranks_and_sequences(self) -> Iterator[exp.Select]:
        for condition, bit in self.bits.others.items():
            if isinstance(condition, TopCondition):
                people = _top(condition)
            elif isinstance(condition, SequenceCondition):
                people = aggregates.sequence(condition, self.extracts, self.latest)
            elif isinstance(condition, UnfollowedCondition):
                people = aggregates.unfollowed_for(condition, self.extracts, self.latest)
            elif isinstance(condition, PastCondition):
                people = past(condition.rule, self.extracts.as_of.day)
            elif isinstance(condition, StoreCondition):
                people = near_stores(condition.rule)
            elif isinstance(condition, DomainCondition):
                people = at_domains(condition.rule)
            else:
                continue
            yield exp.select(column("person_no"), *place_of(bit)).from_(people.subquery("people"))

    def _terms(self) -> dict[str, pa.Table]:
        """Thresholds and their bits, by the name of the view the statement `profiles/compiler/matches` reads them under."""
        counts: list[dict[str, Any]] = []
        sums: list[dict[str, Any]] = []
        shares: list[dict[str, Any]] = []
        known: list[dict[str, Any]] = []
        for condition, bit in self.bits.others.items():
            at = {"word": bit.word, "mask": bit.mask}
            match condition:
                case CountCondition(measure, at_least, at_most) if not _met_by_one(condition):
                    counts.append({"measure": self.measures[measure], "at_least": at_least, "at_most": at_most} | at)
                case SumCondition(measure, operator, limit):
                    sums.append(
                        {
                            "measure": self.measures[measure],
                            "operator": operator,
                            "limit": limit.quantize(Decimal("1e-8")),
                        }
                        | at
                    )
                case ShareCondition(dimension, name, lifetime, operator, share):
                    shares.append(
                        {
                            "dimension": dimension,
                            "value": name,
                            "lifetime": lifetime,
                            "operator": operator,
                            "limit": share.quantize(Decimal("1e-18")),
                        }
                        | at
                    )
                case KnownShareCondition(dimension, lifetime):
                    known.append({"dimension": dimension, "lifetime": lifetime} | at)
                case _:
                    pass
        return {
            "segment_count_terms": pa.Table.from_pylist(
                counts, pa.schema([("measure", pa.int32()), ("at_least", pa.int64()), ("at_most", pa.int64()), *PLACE])
            ),
            "segment_sum_terms": pa.Table.from_pylist(
                sums,
                pa.schema(
                    [("measure", pa.int32()), ("operator", pa.string()), ("limit", pa.decimal128(38, 8)), *PLACE]
                ),
            ),
            "segment_share_terms": pa.Table.from_pylist(
                shares,
                pa.schema(
                    [
                        ("dimension", pa.string()),
                        ("value", pa.string()),
                        ("lifetime", pa.bool_()),
                        ("operator", pa.string()),
                        ("limit", pa.decimal128(19, 18)),
                        *PLACE,
                    ]
                ),
            ),
            "segment_known_terms": pa.Table.from_pylist(
                known, pa.schema([("dimension", pa.string()), ("lifetime", pa.bool_()), *PLACE])
            ),
        }


def _met_by_one(condition: CountCondition | SumCondition) -> bool:
    return isinstance(condition, CountCondition) and condition.is_met_by_one


def _top(condition: TopCondition) -> exp.Select:
    known = exp.Not(this=exp.Is(this=column(condition.trait), expression=exp.null()))
    order = [exp.Ordered(this=column(condition.trait), desc=True), exp.Ordered(this=column("profile_id"))]
    first = exp.select(column("profile_id")).from_(exp.to_table("traits")).where(known)
    first = first.order_by(*order).limit(condition.n)
    on = exp.EQ(this=column("profile_id", "n"), expression=column("profile_id", "t"))
    return exp.select(column("person_no", "n")).from_(first.subquery("t")).join(exp.to_table("people").as_("n"), on=on)
