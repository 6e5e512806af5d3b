"""Compiles all segments of a run into one chain of statements that ends in a wide table of people, one SELECT per segment.

    compilation = compile_segments(segments, as_of, traits=trait_types())
    compilation.define(session)                 # needs the views traits, trait_shares, activities and products_as_of
    session.reader(compilation.members())       # one row per (segment, profile_id)

What it costs hardly depends on the number of segments: facts are read once per kind of question, whoever asks it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from segment_pipeline.lake import dialect
from segment_pipeline.lake.lake import Session
from segment_pipeline.lake.statements import Statement, statement
from segment_pipeline.segments import measuring
from segment_pipeline.segments.conditions import (
    Bits,
    Condition,
    CountCondition,
    Measure,
    SequenceCondition,
    SumCondition,
    TopCondition,
    literals,
)
from segment_pipeline.segments.definition import leaves, references
from segment_pipeline.segments.expressions import Expressions, column, value, word
from segment_pipeline.segments.measuring import Latest, Shape
from segment_pipeline.segments.nodes import LATEST, Activities, BirthdayRule, InsideRule, NearRule, Rule, TraitRule
from segment_pipeline.segments.rules import Segment

# Up to so many passes read the view itself; with more, what they need of it is copied once.
PASSES_BEFORE_A_COPY = 2
# UNION ALL in groups: a chain as long as the catalogue would be a tree as deep.
UNION_GROUP = 50


def checked(name: str, tree: exp.Expr) -> Statement:
    """A built query as a statement, under the lake's allow-list."""
    dialect.check(tree, name=name)
    return Statement(name, tree.sql(dialect="duckdb", copy=False))


@dataclass(frozen=True)
class Compilation:
    """The plan of one run for the segments asked for."""

    segments: tuple[Segment, ...]
    as_of: date
    expressions: Expressions
    bits: Bits
    measures: Mapping[Measure, int]
    traits_used: tuple[str, ...]

    @property
    def chosen(self) -> list[Activities]:
        """Every choice among activities that some rule makes."""
        found = [measure.of for measure in self.measures]
        found += [c.measure.of for c in self.bits.plain]
        for condition in self.bits.others:
            found += condition.steps if isinstance(condition, SequenceCondition) else ()
        return list(dict.fromkeys(found))

    @property
    def since(self) -> date:
        """The first day of activities any rule looks at."""
        return min(self._first_days().values(), default=self.as_of)

    def define(self, session: Session) -> None:
        """Run every stage up to `segment_people`: a temporary table of one row per person in `traits`."""
        self._define_activities(session)
        latest = resolve_latest(session, self.chosen, self.as_of)
        if self.bits.plain:
            query, columns = measuring.counts_by_name(list(self.bits.plain), self.as_of, "segment_activities")
            session.define("segment_counts_by_name", checked("segments/counts_by_name", query))
            words = measuring.words_by_name(self.bits, columns, self.as_of)
            session.define("segment_plain_words", checked("segments/plain_words", words), materialize=True)
        if self.bits.others:
            self._define_measured(session, latest)
            self._define_hits(session, latest)
            session.define(
                "segment_other_words", checked("segments/other_words", self._other_words()), materialize=True
            )
        session.define("segment_people", checked("segments/people", self._people()), materialize=True)

    def members(self) -> Statement:
        """One row per segment and member: `segment`, `profile_id`."""
        selects = [
            exp.select(exp.alias_(value(segment.name), "segment"), column("profile_id"))
            .from_(exp.to_table("segment_people"))
            .where(self.expressions.of(segment.where), copy=False)
            for segment in self.segments
        ]
        return checked("segments/members", _union(selects) if selects else _nobody())

    def _first_days(self) -> dict[str, date]:
        # Per name: the first day needed; what is looked for beside or after an activity is needed as long as that is.
        found: dict[str, date] = {}

        def need(name: str, day: date) -> None:
            found[name] = min(found.get(name, day), day)

        for of in self.chosen:
            first = measuring.first_day(of, self.as_of)
            need(of.name, first)
            if of.not_followed_by is not None:
                need(of.not_followed_by, first)
            if of.never is not None:
                need(of.never, measuring.EVER)
        return found

    def _define_activities(self, session: Session) -> None:
        first_days = self._first_days()
        needed = {"profile_id", "name", "occurred_on"}
        for measure in self.measures:
            needed |= Shape.of(measure).columns
        steps = [step for c in self.bits.others if isinstance(c, SequenceCondition) for step in c.steps]
        if steps or self._followers():
            needed.add("occurred_at")
        for step in steps:
            needed |= Shape.of(Measure("count", step)).columns
        by_day: dict[date, list[str]] = {}
        for name, day in first_days.items():
            by_day.setdefault(day, []).append(name)
        wanted = [
            exp.and_(
                exp.In(this=column("name"), expressions=[value(name) for name in sorted(names)]),
                exp.GTE(this=column("occurred_on"), expression=value(day)),
            )
            for day, names in sorted(by_day.items())
        ]
        query = exp.select(*(column(name) for name in sorted(needed))).from_(exp.to_table("activities"))
        query = query.where(exp.LTE(this=column("occurred_on"), expression=value(self.as_of)), copy=False)
        query = query.where(exp.or_(*wanted) if wanted else exp.false(), copy=False)
        passes = bool(self.bits.plain) + len({Shape.of(measure) for measure in self.measures}) + len(steps)
        copy = passes + 2 * bool(self._followers()) > PASSES_BEFORE_A_COPY
        session.define("segment_activities", checked("segments/activities", query), materialize=copy)
        if self._followers():
            followed = {m.of.name for m in self.measures if m.of.never is not None or m.of.not_followed_by is not None}
            values = {"names": self._followers(), "followed": sorted(followed)}
            session.define("segment_last", statement("segments", "last"), materialize=True, **values)

    def _followers(self) -> list[str]:
        found = {measure.of.not_followed_by for measure in self.measures} | {
            measure.of.never for measure in self.measures
        }
        return sorted(name for name in found if name is not None)

    def _define_measured(self, session: Session, latest: Latest) -> None:
        by_shape: dict[Shape, dict[Measure, int]] = {}
        for measure, number in self.measures.items():
            by_shape.setdefault(Shape.of(measure), {})[measure] = number
        counts: list[exp.Select] = []
        sums: list[exp.Select] = []
        for number, (shape, measures) in enumerate(by_shape.items()):
            name = f"segment_selection_{number}"
            session.register(name, measuring.selection_rows(measures, shape, latest, self.as_of))
            target = sums if shape.kind in ("amount", "quantity") else counts
            target.append(measuring.measured(shape, "segment_activities", name))
        session.define(
            "segment_counts", checked("segments/counts", _union(counts) if counts else _unmeasured("n", "BIGINT"))
        )
        session.define(
            "segment_sums", checked("segments/sums", _union(sums) if sums else _unmeasured("total", "DECIMAL(38,8)"))
        )

    def _define_hits(self, session: Session, latest: Latest) -> None:
        for name, rows in measuring.term_tables(self.bits, self.measures).items():
            session.register(name, rows)
        session.define("segment_hits_0", statement("segments", "hits"))
        parts = [exp.select(column("profile_id"), column("word"), column("mask")).from_(exp.to_table("segment_hits_0"))]
        for condition, bit in self.bits.others.items():
            people: exp.Select | None = None
            if isinstance(condition, TopCondition):
                people = _top(condition)
            elif isinstance(condition, SequenceCondition):
                people = measuring.sequence(condition, "segment_activities", latest, self.as_of)
            if people is not None:
                at = [
                    exp.alias_(exp.cast(value(bit.word), "INTEGER"), "word"),
                    exp.alias_(exp.cast(value(bit.mask), "BIGINT"), "mask"),
                ]
                parts.append(exp.select(column("profile_id"), *at).from_(people.subquery("people")))
        session.define("segment_hits", checked("segments/hits", _union(parts)))

    def _other_words(self) -> exp.Select:
        query = exp.select(column("profile_id")).from_(exp.to_table("segment_hits"))
        for number in range(self.bits.plain_words, self.bits.words):
            mine = exp.If(this=exp.EQ(this=column("word"), expression=value(number)), true=column("mask"))
            row = exp.Case(ifs=[mine], default=exp.cast(value(0), "BIGINT"))
            query = query.select(exp.alias_(exp.BitwiseOrAgg(this=row), word(number), copy=False), copy=False)
        return query.group_by(column("profile_id"))

    def _people(self) -> exp.Select:
        query = exp.select(column("profile_id", "t"), *(column(name, "t") for name in self.traits_used))
        query = query.from_(exp.to_table("traits").as_("t"), copy=False)
        for alias, table, words in (
            ("p", "segment_plain_words", range(self.bits.plain_words)),
            ("o", "segment_other_words", range(self.bits.plain_words, self.bits.words)),
        ):
            if words:
                on = exp.EQ(this=column("profile_id", alias), expression=column("profile_id", "t"))
                query = query.join(exp.to_table(table).as_(alias), on=on, join_type="left", copy=False)
            for number in words:
                held = exp.Coalesce(this=column(word(number), alias), expressions=[exp.cast(value(0), "BIGINT")])
                query = query.select(exp.alias_(held, word(number)), copy=False)
        return query


def compile_segments(
    segments: Iterable[Segment],
    as_of: date,
    *,
    traits: Mapping[str, str],
    declared: Mapping[str, Segment] | None = None,
) -> Compilation:
    """The plan for these segments on one day.

    `declared`: every segment that may be referred to, by name; None: those compiled. The segments must be valid:
    `validation.problems` tells which are not, and one wrong segment must not stop the others.
    """
    wanted = tuple(segments)
    known = dict(declared or {}) | {segment.name: segment for segment in wanted}
    found: list[Rule] = [leaf for segment in wanted for leaf in leaves(segment.where)]
    open_names = {name for segment in wanted for name in references(segment.where)}
    reached: set[str] = set()
    while open_names - reached:
        name = min(open_names - reached)
        reached.add(name)
        found += leaves(known[name].where)
        open_names |= references(known[name].where)
    conditions = [c for leaf in found if (behind := literals(leaf)) for c in (*behind.set_, *behind.unset)]
    bits = Bits(conditions)
    expressions = Expressions(bits, traits, known, as_of)
    return Compilation(wanted, as_of, expressions, bits, _measures(bits.others), _traits_of(found))


def resolve_latest(session: Session, chosen: Iterable[Activities], as_of: date) -> dict[Activities, tuple[str, ...]]:
    """The collections `latest` stands for, by the conditions on products beside it; none when no product meets them."""
    wanted = {measuring.launches_of(of) for of in chosen if LATEST in of.collection}
    if not wanted:
        return {}
    session.define("segment_launches", statement("segments", "launches"), materialize=True, as_of=as_of)
    found = {}
    for products in wanted:
        tests: list[exp.Expr] = [
            exp.In(this=column(measuring.FILTERS[name]), expressions=[value(item) for item in getattr(products, name)])
            for name in ("item", "brand", "department", "category")
            if getattr(products, name)
        ]
        newest = exp.select(exp.Max(this=column("launched_on"))).from_(exp.to_table("segment_launches")).where(*tests)
        query = exp.select(column("collection")).distinct().from_(exp.to_table("segment_launches"))
        query = query.where(*tests).where(exp.EQ(this=column("launched_on"), expression=newest.subquery()), copy=False)
        rows = session.rows(checked("segments/latest", query))
        found[products] = tuple(sorted(row["collection"] for row in rows))
    return found


def _measures(conditions: Iterable[Condition]) -> dict[Measure, int]:
    found = dict.fromkeys(c.measure for c in conditions if isinstance(c, CountCondition | SumCondition))
    return {measure: number for number, measure in enumerate(found)}


def _traits_of(found: Iterable[Rule]) -> tuple[str, ...]:
    names: set[str] = set()
    for leaf in found:
        match leaf:
            case TraitRule(trait):
                names.add(trait)
            case NearRule() | InsideRule():
                names |= {"lat", "lon"}
            case BirthdayRule():
                names.add("birth_day")
    return tuple(sorted(names))


def _top(condition: TopCondition) -> exp.Select:
    known = exp.Not(this=exp.Is(this=column(condition.trait), expression=exp.null()))
    order = [exp.Ordered(this=column(condition.trait), desc=True), exp.Ordered(this=column("profile_id"))]
    return (
        exp.select(column("profile_id")).from_(exp.to_table("traits")).where(known).order_by(*order).limit(condition.n)
    )


def _union(selects: Sequence[exp.Select]) -> exp.Query:
    if len(selects) > UNION_GROUP:
        groups = [selects[start : start + UNION_GROUP] for start in range(0, len(selects), UNION_GROUP)]
        return _union([exp.select("*").from_(_union(group).subquery(f"g{n}")) for n, group in enumerate(groups)])
    query: exp.Query = selects[0]
    for select in selects[1:]:
        query = exp.Union(this=query, expression=select, distinct=False)
    return query


def _unmeasured(name: str, kind: str) -> exp.Select:
    none = [
        exp.alias_(exp.cast(exp.null(), "VARCHAR"), "profile_id"),
        exp.alias_(exp.cast(exp.null(), "INTEGER"), "measure"),
    ]
    return exp.select(*none, exp.alias_(exp.cast(exp.null(), kind), name)).where(exp.false())


def _nobody() -> exp.Select:
    none = [exp.alias_(exp.cast(exp.null(), "VARCHAR"), name) for name in ("segment", "profile_id")]
    return exp.select(*none).where(exp.false())
