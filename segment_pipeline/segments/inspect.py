"""Answers two questions about one segment as it is written now: how it comes to its size, and why one person is in it or not.

Runs the compiler's own stages and writes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.profiles.traits.sets import outdated, read_by, unready
from segment_pipeline.segments import predicates
from segment_pipeline.segments.compiler import aggregates
from segment_pipeline.segments.compiler.aggregates import Selection
from segment_pipeline.segments.compiler.compilation import Compilation, compile_segments
from segment_pipeline.segments.compiler.conditions import CountCondition, SumCondition, literals
from segment_pipeline.segments.compiler.expressions import checked, column, value
from segment_pipeline.segments.compiler.filters import Shape
from segment_pipeline.segments.definition import children, reads_core, traits_of
from segment_pipeline.segments.memberships import define_asked_activities, open_people
from segment_pipeline.segments.nodes import (
    AllOf,
    AnyOf,
    BirthdayRule,
    Compared,
    CountRule,
    InsideRule,
    MemberRule,
    NearRule,
    NoneOf,
    RankRule,
    Rule,
    ShareRule,
    SqlRule,
    SumRule,
    TopRule,
    TraitRule,
    YearlyRule,
)
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.terms import parted
from segment_pipeline.segments.unheard import unheard
from segment_pipeline.segments.validation import problems
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.segments.wording import combined, words
from segment_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Step:
    """One term of the segment. `size`: people it holds for; `remaining`: those left after it and all terms before it."""

    term: str
    size: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Preview:
    """How a segment comes to its size. `steps`: the terms of its all_of, or the one rule it consists of; `unheard`: words of it that no
    product has, a sentence each.
    """

    segment: str
    as_of: date
    population: int
    size: int
    steps: tuple[Step, ...]
    unheard: tuple[str, ...] = ()


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
) -> Preview:
    """Sizes of a segment's terms and of each step of their intersection. Raises ConfigError for a segment that is wrong."""
    terms = segment.where.rules if isinstance(segment.where, AllOf) else (segment.where,)
    with lake.session() as session:
        compilation = _compiled(session, as_of, segment, segments, settings, vocabulary=vocabulary)
        query = exp.select(exp.alias_(exp.Count(this=exp.Star(), big_int=True), "population"))
        so_far: list[exp.Expr] = []
        for number, term in enumerate(terms):
            holds = compilation.expressions.of(term)
            so_far.append(holds)
            query = query.select(_counted(holds, f"size_{number}"), _counted(exp.and_(*so_far), f"left_{number}"))
        row = session.rows(checked("segments/preview", query.from_(exp.to_table("segment_people"))))[0]
        said = tuple(text for _, text in unheard(session, [segment]))
    steps = tuple(Step(words(term), row[f"size_{n}"], row[f"left_{n}"]) for n, term in enumerate(terms))
    size = steps[-1].remaining if steps else row["population"]
    return Preview(segment.name, as_of, row["population"], size, steps, said)


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
        row = session.rows(checked("segments/explain", query))[0]
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
) -> Compilation:
    known = vocabulary or Vocabulary()
    declared = {one.name: one for one in segments} | {segment.name: segment}
    if wrong := problems(list(declared.values()), known).get(segment.name):
        raise ConfigError(wrong[0])
    sets = read_by(traits_of(segment.where, declared), known.sets)
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
    if only is not None:
        # Numbers stay; what others did is left out with those who have none.
        session.define("one_person", "SELECT * FROM people WHERE profile_id = $one", materialize=True, one=only)
        session.define("people", "SELECT profile_id, person_no FROM one_person")
    define_asked_activities(session, compilation, known)
    compilation.define(session)
    return compilation


def _counted(holds: exp.Expr, name: str) -> exp.Expr:
    counted = exp.Filter(this=exp.Count(this=exp.Star(), big_int=True), expression=exp.Where(this=holds.copy()))
    return exp.alias_(counted, name)


def _flat(rule: Rule, by_name: dict[str, Segment], depth: int = 0) -> Iterator[tuple[int, Rule]]:
    yield depth, rule
    below = (by_name[rule.segment].where,) if isinstance(rule, MemberRule) else children(rule)
    for child in below:
        yield from _flat(child, by_name, depth + 1)


def _value(session: Session, compilation: Compilation, rule: Rule, profile_id: str) -> str | None:
    match rule:
        case TraitRule(name) | TopRule(name):
            return _traits(session, profile_id, name)
        case NearRule() | InsideRule():
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
            return _measured(session, compilation, rule)
    return None


def _compared(session: Session, compilation: Compilation, rule: Compared, profile_id: str) -> str:
    query = exp.select(*(compilation.values.expression(parted(side)) for side in (rule.left, rule.right)))
    query = query.from_(exp.to_table("people").as_("n"), copy=False)
    on = exp.EQ(this=column("profile_id", "t"), expression=column("profile_id", "n"))
    query = compilation.values.joined(query.join(exp.to_table("traits").as_("t"), on=on, copy=False), "n")
    query = query.where(exp.EQ(this=column("profile_id", "n"), expression=value(profile_id)))
    said = [
        "unknown" if held is None else str(held)
        for held in session.rows(checked("segments/explain", query))[0].values()
    ]
    return " and ".join(said)


def _traits(session: Session, profile_id: str, *names: str) -> str | None:
    query = exp.select(*(column(name) for name in names)).from_(exp.to_table("traits"))
    query = query.where(exp.EQ(this=column("profile_id"), expression=value(profile_id)))
    held = list(session.rows(checked("segments/explain", query))[0].values())
    return None if None in held else ", ".join(map(str, held))


def _measured(session: Session, compilation: Compilation, rule: CountRule | SumRule) -> str:
    """What the rule compares, counted anew for the one person whose activities were extracted."""
    behind = literals(rule)
    condition = (*behind.set_, *behind.unset)[0] if behind else None
    if not isinstance(condition, CountCondition | SumCondition):
        return "0"
    measure = condition.measure
    selection = Selection(Shape.of(measure), compilation.extracts.of(measure.of.name), {measure.of: {"measure": 0}})
    selection.define(session, "segment_explained", compilation.extracts, compilation.latest(session))
    chosen = selection.chosen("segment_explained")
    if selection.shape.has_follower:
        session.define("segment_explained_items", checked("segments/explain", aggregates.about_items(chosen)))
        chosen = aggregates.unfollowed(selection, "segment_explained_items", compilation.extracts)
    rows = session.rows(checked("segments/explain", aggregates.aggregated(measure.kind, chosen)))
    return str(rows[0]["total"].normalize() if isinstance(rule, SumRule) else rows[0]["n"]) if rows else "0"
