"""Compiles all segments of a run into one chain of statements that ends in a table of people with a bit per
condition, and one SELECT per segment over it.

    compilation = compile_segments(segments, as_of, traits=trait_types())
    compilation.define(session)        # needs the views people, traits, trait_shares, activities and products_as_of
    session.reader(compilation.members())       # one row per (segment_no, person_no)

What it costs hardly depends on the number of segments: facts are read once per kind of question, whoever asks it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
from sqlglot import exp

from segment_pipeline.algebra.nodes import Compared, EmailDomainRule, NearStoreRule, PastRule
from segment_pipeline.algebra.parts import COLUMNS, LATEST, Activities, Rule, Value
from segment_pipeline.algebra.trees import Named, leaves, references
from segment_pipeline.days import AsOf
from segment_pipeline.lake.schema import SQL_TYPES
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement, built, statement
from segment_pipeline.profiles.compiler import aggregates
from segment_pipeline.profiles.compiler.conditions import (
    Bits,
    Condition,
    DomainCondition,
    PastCondition,
    PersonRule,
    StoreCondition,
    literals,
)
from segment_pipeline.profiles.compiler.expressions import (
    Expressions,
    column,
    either,
    folded,
    masked,
    nothing,
    personal,
    union,
    value,
    with_words,
    word,
)
from segment_pipeline.profiles.compiler.extracts import Extract, Extracts, needs_of
from segment_pipeline.profiles.compiler.filters import Latest, items_of, launches_of, values_of
from segment_pipeline.profiles.compiler.kinds import NUMBERS, Kinds, aggregates_in, parted, values_of_rule
from segment_pipeline.profiles.compiler.matches import Matches
from segment_pipeline.profiles.compiler.ranks import Ranks
from segment_pipeline.profiles.compiler.values import Values


@dataclass(frozen=True)
class Compilation:
    """The plan of one run for the segments asked for. `traits`: their types by name."""

    segments: tuple[Named, ...]
    as_of: AsOf
    traits: Mapping[str, str]
    expressions: Expressions
    bits: Bits
    extracts: Extracts
    values: Values

    @property
    def names(self) -> set[str]:
        """The names of activities any rule looks at."""
        return set(self.extracts.numbers)

    @property
    def columns(self) -> set[str]:
        """The columns of activities that are read."""
        return self.extracts.columns

    @property
    def past(self) -> list[PastRule]:
        """The rules about who was in a segment before."""
        return [condition.rule for condition in self.bits.others if isinstance(condition, PastCondition)]

    @property
    def stores(self) -> list[NearStoreRule]:
        """The rules about who is near a store."""
        return [condition.rule for condition in self.bits.others if isinstance(condition, StoreCondition)]

    @property
    def domains(self) -> list[EmailDomainRule]:
        """The rules about whose e-mail address is where."""
        return [condition.rule for condition in self.bits.others if isinstance(condition, DomainCondition)]

    @property
    def since(self) -> date:
        """The first day of activities any rule looks at."""
        return min(self.extracts.first_days.values(), default=self.as_of.day)

    def latest(self, session: Session) -> Latest:
        """The collections `latest` stands for, by the conditions on products beside it."""
        items = resolve_items(session, self.extracts.choices)
        return resolve_latest(session, self.extracts.choices, self.as_of, items) | items

    def define(self, session: Session) -> None:
        """Run every stage up to the values, and of segments `segment_people`, one row per person in `traits`: `person_no` and the words of bits."""
        latest = self.latest(session)
        if self.names:
            self.extracts.define(session, latest, once=self._read_once)
        if self.bits.plain:
            query, columns = aggregates.counts_by_name(list(self.bits.plain), self.extracts)
            session.define("segment_counts_by_name", built("segments/counts_by_name", query))
            words = aggregates.words_by_name(self.bits, columns, self.extracts)
            session.define("segment_plain_words", built("segments/plain_words", words), materialize=True)
        if self.bits.others:
            Matches(self.bits, self.extracts, latest).define(session)
            words = folded(exp.to_table("segment_matches"), self.bits.other_words)
            session.define("segment_other_words", built("segments/other_words", words), materialize=True)
        self.values.define(session, latest)
        if not self.segments:
            return
        if not self.bits.late:
            session.define("segment_people", built("segments/people", self._people()), materialize=True)
            return
        session.define("segment_people_before", built("segments/people", self._people()), materialize=True)
        ranked = Ranks(self.bits, self.expressions)
        session.define("segment_ranked", built("segments/ranked", ranked.words()), materialize=True)
        session.define("segment_people", built("segments/people", ranked.people()), materialize=True)

    @property
    def _read_once(self) -> list[Extract]:
        asked = {
            self.extracts.of(need.of.name) for need in needs_of((*self.bits.plain, *self.bits.others), (), self.as_of)
        }
        return [extract for extract, times in self.values.readers.items() if times == 1 and extract not in asked]

    def members(self) -> Statement:
        """One row per segment and member: `person_no`, and `segment_no`, the segment's place in `segments`."""
        selects = [
            exp.select(exp.alias_(exp.cast(value(number), "INTEGER"), "segment_no"), column("person_no"))
            .from_(exp.to_table("segment_people"))
            .where(self.expressions.of(segment.where), copy=False)
            for number, segment in enumerate(self.segments)
        ]
        nobody = nothing(segment_no="INTEGER", person_no="INTEGER")
        return built("segments/members", union(selects) if selects else nobody)

    def of_people(self, asked: Mapping[str, tuple[Value, str]]) -> Statement:
        """One row per person in `traits`: profile_id, and by name each value as its lake type; after `define`."""
        query = exp.select(column("profile_id", "n")).from_(exp.to_table("traits").as_("t"))
        on = exp.EQ(this=column("profile_id", "n"), expression=column("profile_id", "t"))
        return self._valued(query.join(exp.to_table("people").as_("n"), on=on, copy=False), asked)

    def of_everybody(self, asked: Mapping[str, tuple[Value, str]]) -> Statement:
        """One row per person in `people`: person_no, and the same of values that read no trait."""
        return self._valued(exp.select(column("person_no", "n")).from_(exp.to_table("people").as_("n")), asked)

    def _valued(self, query: exp.Select, asked: Mapping[str, tuple[Value, str]]) -> Statement:
        query = self.values.joined(query, "n")
        for name, (one, kind) in asked.items():
            # Not by `exp.cast`, which takes a decimal for any other. What has no room is unknown, and costs nobody else theirs.
            to = exp.DataType.build(SQL_TYPES.get(kind, kind), dialect="duckdb")
            cast = exp.TryCast if kind in NUMBERS else exp.Cast
            held = cast(this=self.values.expression(parted(one)), to=to)
            query = query.select(exp.alias_(held, name, quoted=True), copy=False)
        return built("segments/values", query)

    def _people(self) -> exp.Select:
        query = exp.select(column("person_no", "n")).from_(exp.to_table("traits").as_("t"))
        on = exp.EQ(this=column("profile_id", "n"), expression=column("profile_id", "t"))
        query = query.join(exp.to_table("people").as_("n"), on=on, copy=False)
        query = with_words(query, "n", "segment_plain_words", self.bits.plain_words)
        query = with_words(query, "n", "segment_other_words", self.bits.other_words)
        self.values.joined(query, "n")
        for number in self.bits.personal_words:
            masks = [
                masked(self._personal(condition.rule), bit.mask)
                for condition, bit in self.bits.personal.items()
                if bit.word == number
            ]
            query = query.select(exp.alias_(either(masks), word(number), copy=False), copy=False)
        return query

    def _personal(self, rule: PersonRule) -> exp.Expr:
        return self.values.compared(rule) if isinstance(rule, Compared) else personal(rule, self.traits, self.as_of.day)


def compile_segments(
    segments: Iterable[Named],
    as_of: AsOf,
    *,
    traits: Mapping[str, str],
    declared: Mapping[str, Named] | None = None,
    properties: Mapping[str, str] | None = None,
    values: Sequence[Value] = (),
) -> Compilation:
    """The plan for these segments on one day. `properties`: types of events' properties, by name; `values`: asked for beside them.

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
    conditions: list[Condition] = [
        c for leaf in found if (behind := literals(leaf)) for c in (*behind.set_, *behind.unset)
    ]
    bits = Bits(conditions)
    compared = [each for leaf in found for each in values_of_rule(leaf)]
    aggregates_asked = [aggregate for each in (*compared, *values) for aggregate in aggregates_in(parted(each))]
    extracts = Extracts(needs_of(conditions, aggregates_asked, as_of), as_of, properties)
    held = Values(aggregates_asked, extracts, Kinds(traits, properties or {}))
    return Compilation(wanted, as_of, traits, Expressions(bits, known), bits, extracts, held)


def resolve_items(session: Session, chosen: Iterable[Activities]) -> dict[Activities, tuple[str, ...]]:
    """The items that have the SKUs asked for, by the choice of these alone."""
    wanted = {items_of(of) for of in chosen if of.item}
    if not wanted:
        return {}
    session.register(
        "segment_items_asked", pa.table({"sku": pa.array(sorted({sku for of in wanted for sku in of.item}))})
    )
    rows = session.rows(statement("profiles/compiler", "asked_items"))
    return {of: tuple(sorted({row["item_key"] for row in rows if row["sku"] in of.item})) for of in wanted}


def resolve_latest(
    session: Session, chosen: Iterable[Activities], as_of: AsOf, items: Latest
) -> dict[Activities, tuple[str, ...]]:
    """The collections `latest` stands for, by the conditions on products beside it; none when no product meets them."""
    wanted = {launches_of(of) for of in chosen if LATEST in of.collection}
    if not wanted:
        return {}
    session.define("segment_launches", statement("profiles/compiler", "launches"), materialize=True, as_of=as_of.day)
    found = {}
    for products in wanted:
        tests: list[exp.Expr] = [
            exp.In(this=column(COLUMNS[name]), expressions=[value(item) for item in held])
            for name, held in values_of(replace(products, collection=()), items, as_of).items()
        ]
        newest = exp.select(exp.Max(this=column("launched_on"))).from_(exp.to_table("segment_launches")).where(*tests)
        query = exp.select(column("collection")).distinct().from_(exp.to_table("segment_launches"))
        query = query.where(*tests).where(exp.EQ(this=column("launched_on"), expression=newest.subquery()), copy=False)
        rows = session.rows(built("segments/latest", query))
        found[products] = tuple(sorted(row["collection"] for row in rows))
    return found
