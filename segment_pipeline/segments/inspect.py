"""Answers two questions about one segment as it is written now: how it comes to its size, and why one person is in it or not.

Runs the compiler's own stages and writes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import pyarrow as pa
from sqlglot import exp

from segment_pipeline.algebra.nodes import (
    AllOf,
    AnyOf,
    BirthdayRule,
    Compared,
    CountRule,
    InsideRule,
    MemberRule,
    NearRule,
    NearStoreRule,
    NoneOf,
    RankRule,
    ShareRule,
    SqlRule,
    SumRule,
    TopRule,
    TraitRule,
    YearlyRule,
)
from segment_pipeline.algebra.parts import Rule
from segment_pipeline.algebra.spelling import meant
from segment_pipeline.algebra.trees import children
from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.engine import Connection
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import built
from segment_pipeline.profiles.compiler import aggregates, predicates
from segment_pipeline.profiles.compiler.aggregates import Selection
from segment_pipeline.profiles.compiler.compilation import Compilation, compile_segments
from segment_pipeline.profiles.compiler.conditions import CountCondition, SumCondition, literals
from segment_pipeline.profiles.compiler.expressions import column, value
from segment_pipeline.profiles.compiler.filters import Shape
from segment_pipeline.profiles.compiler.kinds import parted
from segment_pipeline.profiles.facts.activities import tellers
from segment_pipeline.profiles.traits.sets import outdated, read_by, unready
from segment_pipeline.segments.definition import reads_core, traits_of
from segment_pipeline.segments.memberships import define_asked_activities, open_people, stopped
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.sizes import counted, funnels_of, terms_of
from segment_pipeline.segments.unheard import unheard
from segment_pipeline.segments.validation import problems
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.segments.wording import combined, words
from segment_pipeline.settings import Settings

# Traits that say whether somebody may be written to.
REACH: Final = ("email_reachable", "sms_reachable", "ads_reachable")


@dataclass(frozen=True, slots=True)
class Step:
    """One term of the segment. `size`: people it holds for; `remaining`: those left after it and all terms before it."""

    term: str
    size: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Preview:
    """How a segment comes to its size. `steps`: the terms of its all_of, or the one rule it consists of; `unheard`: words of it that no
    product has, a sentence each. `reach`: members who may be written to, by trait. `overlaps`: members who are in other segments of the
    day as well, most first. `trend`: sizes of the days before, newest last. `breakdown`: members by value of the traits asked for.
    """

    segment: str
    as_of: date
    population: int
    size: int
    steps: tuple[Step, ...]
    unheard: tuple[str, ...] = ()
    reach: Mapping[str, int] = field(default_factory=dict)
    overlaps: tuple[tuple[str, int], ...] = ()
    trend: tuple[tuple[date, int], ...] = ()
    breakdown: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """One rule about one person. `depth`: how deep it is nested; `value`: what is known, in words; NULL: unknown, or it combines."""

    depth: int
    term: str
    holds: bool
    value: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    segment: str
    profile_id: str
    as_of: date
    member: bool
    terms: tuple[Term, ...]


def preview(
    lake: Lake,
    as_of: date,
    segment: Segment,
    segments: Sequence[Segment],
    settings: Settings,
    *,
    vocabulary: Vocabulary | None = None,
    by: Sequence[str] = (),
) -> Preview:
    """Sizes of a segment's terms and of each step of their intersection. Raises ConfigError for a segment that is wrong.

    `by`: traits whose values members are counted by.
    """
    known = vocabulary or Vocabulary()
    if odd := sorted(set(by) - known.traits.keys()):
        raise ConfigError(
            f"there is no trait {odd[0]}{meant(odd[0], known.traits)}: `segment-pipeline traits` lists them"
        )
    with lake.session() as session:
        compilation = _compiled(session, as_of, segment, segments, settings, vocabulary=known, also=by)
        funnel = funnels_of(session, compilation)[segment.name]
        query = exp.select(exp.alias_(exp.Count(this=exp.Star(), big_int=True), "population"))
        for number, term in enumerate(terms_of(segment)):
            query = query.select(counted(compilation.expressions.of(term), f"size_{number}"))
        [row] = session.rows(built("segments/preview", query.from_(exp.to_table("segment_people"))))
        population, *alone = row.values()
        said = tuple(text for _, text in unheard(session, [segment]))
        found = _told(session, compilation, segment, as_of, by)
    steps = tuple(Step(term, size, left) for (term, left), size in zip(funnel, alone, strict=True))
    size = steps[-1].remaining if steps else population
    return Preview(segment.name, as_of, population, size, steps, said, **found)


def _told(
    session: Session, compilation: Compilation, segment: Segment, as_of: date, by: Sequence[str]
) -> dict[str, Any]:
    """What a preview tells of the members: whom they can be reached by, other segments, the days before, and values of traits."""
    members = exp.select(column("profile_id", "n")).from_(exp.to_table("segment_people").as_("s"))
    on = exp.EQ(this=column("person_no", "n"), expression=column("person_no", "s"))
    members = members.join(exp.to_table("people").as_("n"), on=on, copy=False)
    session.define(
        "previewed",
        built("segments/preview", members.where(compilation.expressions.of(segment.where))),
        materialize=True,
    )
    session.scan("memberships", partitions={"as_of": [as_of]})
    session.scan("segment_sizes")
    reach = ", ".join(f"count(*) FILTER (WHERE t.{name}) AS {name}" for name in REACH)
    [reached] = session.rows(f"SELECT {reach} FROM traits AS t JOIN previewed AS p ON p.profile_id = t.profile_id")
    overlaps = session.rows(
        "SELECT m.segment, count(*) AS n FROM memberships AS m JOIN previewed AS p ON p.profile_id = m.profile_id"
        " WHERE m.segment <> $name GROUP BY m.segment ORDER BY n DESC, m.segment LIMIT 5",
        name=segment.name,
    )
    trend = session.rows(
        "SELECT as_of, size FROM segment_sizes WHERE segment = $name AND as_of < $day ORDER BY as_of DESC LIMIT 14",
        name=segment.name,
        day=as_of,
    )
    breakdown = [
        (name, row["value"], row["n"])
        for name in by
        for row in session.rows(
            f"SELECT coalesce(CAST(t.{quote(name)} AS VARCHAR), 'unknown') AS value, count(*) AS n FROM traits AS t"
            " JOIN previewed AS p ON p.profile_id = t.profile_id GROUP BY value ORDER BY n DESC, value LIMIT 10"
        )
    ]
    return {
        "reach": reached,
        "overlaps": tuple((row["segment"], row["n"]) for row in overlaps),
        "trend": tuple((row["as_of"], row["size"]) for row in reversed(trend)),
        "breakdown": tuple(breakdown),
    }


def statements(
    lake: Lake,
    as_of: date,
    segment: Segment,
    segments: Sequence[Segment],
    settings: Settings,
    *,
    vocabulary: Vocabulary | None = None,
) -> list[tuple[str, str]]:
    """What is run to find the members of a segment, in order: the name of each view or table, and its SELECT."""
    with lake.session() as session:
        noting = Noting(session.connection)
        session.connection = noting
        compilation = _compiled(session, as_of, segment, segments, settings, vocabulary=vocabulary)
        return [*noting.said, ("members", compilation.members().text)]


class Noting:
    """A connection that also notes what it is asked to define, and the values of rules that are handed in as tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.said: list[tuple[str, str]] = []

    def define(self, name: str, sql: str, **how: Any) -> None:
        self.said.append((name, sql))
        self._connection.define(name, sql, **how)

    def register(self, name: str, rows: pa.Table) -> None:
        self.said.append((name, _values_of(rows)))
        self._connection.register(name, rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _values_of(rows: pa.Table) -> str:
    """SQL that gives the rows of a small table."""
    named = ", ".join(map(quote, rows.column_names))
    if not rows.num_rows:
        return f"SELECT {', '.join(f'NULL AS {quote(name)}' for name in rows.column_names)} WHERE FALSE"
    listed = ", ".join(f"({', '.join(literal(value) for value in row.values())})" for row in rows.to_pylist())
    return f"SELECT {named} FROM (VALUES {listed}) AS given({named})"


def explain(  # noqa: PLR0917 as `preview`, and the person
    lake: Lake,
    as_of: date,
    segment: Segment,
    segments: Sequence[Segment],
    settings: Settings,
    profile_id: str,
    *,
    vocabulary: Vocabulary | None = None,
) -> Explanation:
    """Each term of a segment for one person, with what it rests on. Raises ConfigError for an id that has no traits that day."""
    by_name = {one.name: one for one in segments} | {segment.name: segment}
    rules = list(_flat(segment.where, by_name))
    with lake.session() as session:
        open_people(session, as_of)
        if not session.value("SELECT count(*) FROM traits WHERE profile_id = $one", one=profile_id):
            raise ConfigError(
                f"there is no profile {profile_id} as of {as_of}: `segment-pipeline profile show` finds ids"
            )
        compilation = _compiled(session, as_of, segment, segments, settings, vocabulary=vocabulary, only=profile_id)
        query = exp.select(exp.alias_(compilation.expressions.of(segment.where), "member"))
        for number, (_, rule) in enumerate(rules):
            query = query.select(exp.alias_(compilation.expressions.of(rule), f"holds_{number}"))
        query = query.from_(exp.to_table("segment_people"))
        person_no = session.value("SELECT person_no FROM people WHERE profile_id = $one", one=profile_id)
        query = query.where(exp.EQ(this=column("person_no"), expression=value(person_no)))
        row = session.rows(built("segments/explain", query))[0]
        found = [_value(session, compilation, rule, profile_id) for _, rule in rules]
    # Terms that combine stand above those they combine, which say the rest.
    said = [combined(rule) if isinstance(rule, AllOf | AnyOf | NoneOf) else words(rule) for _, rule in rules]
    terms = tuple(Term(depth, said[n], row[f"holds_{n}"], found[n]) for n, (depth, _) in enumerate(rules))
    return Explanation(segment.name, profile_id, as_of, row["member"], terms)


def _compiled(
    session: Session,
    as_of: date,
    segment: Segment,
    segments: Sequence[Segment],
    settings: Settings,
    *,
    vocabulary: Vocabulary | None,
    only: str | None = None,
    also: Sequence[str] = (),
) -> Compilation:
    known = vocabulary or Vocabulary()
    declared = {one.name: one for one in segments} | {segment.name: segment}
    if wrong := problems(list(declared.values()), known).get(segment.name):
        raise ConfigError(wrong[0])
    sets = read_by(traits_of(segment.where, declared).union(also), known.sets)
    if why := unready(session, as_of, sets):
        raise ConfigError(next(iter(why.values())))
    if reads_core(segment.where, declared) and (other := outdated(session, as_of, known.rules)):
        raise ConfigError(other)
    open_people(session, as_of, sets)
    compilation = compile_segments(
        [segment],
        AsOf(as_of, settings.timezone),
        traits=known.traits,
        declared=declared,
        properties=known.properties,
    )
    # A rank is among all people, and whose an address is that somebody consented with is seen among all who have it.
    if only is not None and not compilation.bits.late and "consents" not in tellers(compilation.names or ()):
        # Numbers stay; what others did is left out with those who have none.
        session.define("one_person", "SELECT * FROM people WHERE profile_id = $one", materialize=True, one=only)
        session.define("people", "SELECT profile_id, person_no FROM one_person")
    define_asked_activities(session, compilation, known)
    try:
        compilation.define(session)
    except ContractError as error:
        raise ContractError(stopped(segment, error)) from None
    return compilation


def _flat(rule: Rule, by_name: dict[str, Segment], depth: int = 0) -> Iterator[tuple[int, Rule]]:
    yield depth, rule
    below = (by_name[rule.segment].where,) if isinstance(rule, MemberRule) else children(rule)
    for child in below:
        yield from _flat(child, by_name, depth + 1)


def _value(session: Session, compilation: Compilation, rule: Rule, profile_id: str) -> str | None:
    match rule:
        case TraitRule(name) | TopRule(name):
            return _traits(session, profile_id, name)
        case NearRule() | NearStoreRule() | InsideRule():
            return _traits(session, profile_id, "lat", "lon")
        case BirthdayRule():
            return _traits(session, profile_id, "birth_day")
        case ShareRule(dimension, name, lifetime):
            shares = "SELECT share_365d, share_total FROM trait_shares WHERE profile_id = $one AND dimension = $dimension AND value = $name"
            rows = session.rows(shares, one=profile_id, dimension=dimension, name=name)
            share = rows[0]["share_total" if lifetime else "share_365d"] if rows else None
            return None if share is None else f"{share:.4f}"
        case YearlyRule(name) | RankRule(name):
            return _traits(session, profile_id, name)
        case SqlRule(text):
            return _traits(session, profile_id, *predicates.columns_of(text))
        case Compared():
            return _compared(session, compilation, rule, profile_id)
        case CountRule() | SumRule():
            return _measured(session, compilation, rule, profile_id)
    return None


def _compared(session: Session, compilation: Compilation, rule: Compared, profile_id: str) -> str:
    query = exp.select(*(compilation.values.expression(parted(side)) for side in (rule.left, rule.right)))
    query = query.from_(exp.to_table("people").as_("n"), copy=False)
    on = exp.EQ(this=column("profile_id", "t"), expression=column("profile_id", "n"))
    query = compilation.values.joined(query.join(exp.to_table("traits").as_("t"), on=on, copy=False), "n")
    query = query.where(exp.EQ(this=column("profile_id", "n"), expression=value(profile_id)))
    said = [
        "unknown" if held is None else str(held) for held in session.rows(built("segments/explain", query))[0].values()
    ]
    return " and ".join(said)


def _traits(session: Session, profile_id: str, *names: str) -> str | None:
    query = exp.select(*(column(name) for name in names)).from_(exp.to_table("traits"))
    query = query.where(exp.EQ(this=column("profile_id"), expression=value(profile_id)))
    held = list(session.rows(built("segments/explain", query))[0].values())
    return None if None in held else ", ".join(map(str, held))


def _measured(session: Session, compilation: Compilation, rule: CountRule | SumRule, profile_id: str) -> str:
    """What the rule compares, counted anew for the one person."""
    behind = literals(rule)
    condition = (*behind.set_, *behind.unset)[0] if behind else None
    if not isinstance(condition, CountCondition | SumCondition):
        return "0"
    measure = condition.measure
    selection = Selection(Shape.of(measure), compilation.extracts.of(measure.of.name), {measure.of: {"measure": 0}})
    selection.define(session, "segment_explained", compilation.extracts, compilation.latest(session))
    chosen = selection.chosen("segment_explained")
    if selection.shape.has_follower:
        session.define("segment_explained_items", built("segments/explain", aggregates.about_items(chosen)))
        chosen = aggregates.unfollowed(selection, "segment_explained_items", compilation.extracts)
    of_all = aggregates.aggregated(measure.kind, chosen).subquery("c")
    on = exp.EQ(this=column("person_no", "c"), expression=column("person_no", "n"))
    query = exp.select("c.*").from_(of_all).join(exp.to_table("people").as_("n"), on=on, copy=False)
    query = query.where(exp.EQ(this=column("profile_id", "n"), expression=value(profile_id)), copy=False)
    rows = session.rows(built("segments/explain", query))
    return str(rows[0]["total"].normalize() if isinstance(rule, SumRule) else rows[0]["n"]) if rows else "0"
