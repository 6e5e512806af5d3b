"""Judges declared segments before anything runs: every mistake at once, each with the file and line of its segment."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal

from segment_pipeline.events import Event
from segment_pipeline.goals import NAME as GOAL
from segment_pipeline.profiles.traits.sets import trait_types
from segment_pipeline.segments.definition import children, references
from segment_pipeline.segments.nodes import (
    LATEST,
    NAMED,
    Activities,
    AllOf,
    AnyOf,
    BirthdayRule,
    CountRule,
    InsideRule,
    NearRule,
    NoneOf,
    Rule,
    Scalar,
    SequenceRule,
    ShareRule,
    SumRule,
    TopRule,
    TraitRule,
)
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.vocabulary import FILTERS_OF_RULES, by_name, meant

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
OWNER = re.compile(r"team:[\w-]+|[^@\s]+@[^@\s]+")
NUMBERS = ("INTEGER", "BIGINT", "MONEY", "RATE", "DOUBLE")


def validate(
    segments: Sequence[Segment], events: Collection[str] | Mapping[str, Event], traits: Mapping[str, str] | None = None
) -> list[str]:
    """What is wrong with the segments, one sentence each, beginning with file:line; empty: nothing.

    `events`: activities a rule may name. `traits`: names and lake types; None: the core's.
    """
    return [problem for found in problems(segments, events, traits).values() for problem in found]


def problems(
    segments: Sequence[Segment], events: Collection[str] | Mapping[str, Event], traits: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """The same by segment; a segment that refers to a wrong one is named as well. Only segments with problems are keys."""
    judge = _Judge(traits if traits is not None else trait_types(), events)
    by_name = {segment.name: segment for segment in segments}
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for segment in segments:
        texts = [*_head(segment), *judge.rule(segment.where), *_links(segment, by_name)]
        if segment.name in seen:
            texts.append("is declared a second time: rename one")
        seen.add(segment.name)
        if texts:
            found.setdefault(segment.name, []).extend(
                f"{segment.place}: segment {segment.name} {text}" for text in texts
            )
    _spread(by_name, found)
    return found


def _spread(by_name: Mapping[str, Segment], found: dict[str, list[str]]) -> None:
    # What leans on a wrong segment cannot be trusted either.
    leaning = {name: names for name, one in by_name.items() if name not in found and (names := references(one.where))}
    while wrong := {name: min(names & found.keys()) for name, names in leaning.items() if names & found.keys()}:
        for name, other in wrong.items():
            found[name] = [f"{by_name[name].place}: segment {name} refers to segment {other}, which is wrong itself"]
            del leaning[name]


def _head(segment: Segment) -> Iterator[str]:
    if not NAME.fullmatch(segment.name):
        yield "has a name that is not lower case letters, digits and underscores"
    if not OWNER.fullmatch(segment.owner):
        yield "has no owner of the form team:name or an e-mail address"
    if not segment.goal.strip():
        yield "has no goal: name the measure it is judged by"
    elif not GOAL.fullmatch(segment.goal):
        yield f"has the goal {segment.goal!r}: write a name of letters, digits, _, - and ., at most 63"
    if not segment.description.strip():
        yield "has no description"
    if segment.minimum_size < 0:
        yield "has a negative minimum_size"


def _links(segment: Segment, by_name: Mapping[str, Segment]) -> Iterator[str]:
    for name in sorted(references(segment.where) - by_name.keys()):
        yield f"refers to segment {name}, which is not declared{meant(name, by_name)}"
    reached: set[str] = set()
    open_names = sorted(references(segment.where))
    while open_names:
        name = open_names.pop()
        if name == segment.name:
            yield "refers to itself, directly or through other segments: take one reference out"
            return
        if name in by_name and name not in reached:
            reached.add(name)
            open_names += sorted(references(by_name[name].where))


class _Judge:
    def __init__(self, traits: Mapping[str, str], events: Collection[str] | Mapping[str, Event]) -> None:
        self.traits, self.events = traits, by_name(events)

    def rule(self, rule: Rule) -> Iterator[str]:  # noqa: C901, PLR0912 - one case per kind of rule
        match rule:
            case AllOf() | AnyOf() | NoneOf():
                if not rule.rules:
                    yield f"holds an empty {_function(rule)}: give it rules"
                for child in children(rule):
                    yield from self.rule(child)
            case TraitRule():
                yield from self._trait(rule)
            case CountRule():
                yield from self._count(rule)
            case SumRule():
                yield from self._activities(rule.of)
                if not rule.value.is_finite():
                    yield "compares a sum with a number that is not finite"
            case ShareRule():
                if not 0 <= rule.share <= 1:
                    yield f"compares a share of spend with {rule.share:g}: a share lies between 0 and 1"
                yield from _texts(rule.dimension, (rule.value,))
            case NearRule() | InsideRule():
                yield from self._place(rule)
            case BirthdayRule():
                yield from self._birthday(rule)
            case TopRule():
                yield from self._top(rule)
            case SequenceRule():
                yield from self._sequence(rule)

    def _place(self, rule: NearRule | InsideRule) -> Iterator[str]:
        if isinstance(rule, NearRule):
            yield from self._points(((rule.lat, rule.lon),))
            if not 0 < rule.km < math.inf:
                yield "has a radius that is not a positive number of kilometres"
            return
        yield from self._points(rule.corners)
        if len(rule.corners) < 3:
            yield "has a polygon of fewer than three corners"

    def _birthday(self, rule: BirthdayRule) -> Iterator[str]:
        if "birth_day" not in self.traits:
            yield "asks for birthdays, but there is no trait birth_day"
        if not 0 <= rule.days <= 366:
            yield "has a birthday window outside 0 to 366 days"

    def _top(self, rule: TopRule) -> Iterator[str]:
        if rule.trait not in self.traits:
            yield f"names trait {rule.trait}, which does not exist{meant(rule.trait, self.traits)}"
        elif self.traits[rule.trait] not in (*NUMBERS, "DATE"):
            yield f"ranks by trait {rule.trait}, which is {self.traits[rule.trait]} and has no highest value"
        if rule.n < 1:
            yield "asks for the top of fewer than one"

    def _trait(self, rule: TraitRule) -> Iterator[str]:
        kind = self.traits.get(rule.trait)
        if kind is None:
            yield f"names trait {rule.trait}, which does not exist{meant(rule.trait, self.traits)}"
            return
        if rule.operator == "unknown":
            return
        if rule.operator == "contains" and kind != "VARCHAR[]":
            yield f"asks what trait {rule.trait} contains, but it is {kind} and not a list"
        elif rule.operator != "contains" and kind == "VARCHAR[]":
            yield f"compares trait {rule.trait}, which is a list: use contains()"
        elif rule.operator in ("<", "<=", ">", ">=", "between") and kind not in (*NUMBERS, "DATE"):
            yield f"orders trait {rule.trait}, which is {kind}: only numbers and days have an order"
        elif wrong := [value for value in rule.values if not _fits(value, kind)]:
            yield f"compares trait {rule.trait}, which is {kind}, with a {type(wrong[0]).__name__}"
        elif rule.operator == "in" and not rule.values:
            yield f"asks whether trait {rule.trait} is in an empty list"
        elif rule.operator == "between" and rule.values[1] < rule.values[0]:  # type: ignore[operator]
            yield f"has a range of trait {rule.trait} that ends before it begins"
        yield from _texts(f"trait {rule.trait}", tuple(value for value in rule.values if isinstance(value, str)))

    def _count(self, rule: CountRule) -> Iterator[str]:
        yield from self._activities(rule.of)
        if rule.at_least < 0 or (rule.at_most is not None and rule.at_most < rule.at_least):
            yield f"counts {rule.of.name} between numbers that no count can lie between"
        if rule.at_least == 0 and rule.at_most is None:
            yield f"counts {rule.of.name} with at_least=0, which is true for everyone"
        if rule.same_product and (rule.at_least < 1 or rule.at_most is not None):
            yield f"counts {rule.of.name} by product: same_product takes at_least of 1 or more and no at_most"

    def _sequence(self, rule: SequenceRule) -> Iterator[str]:
        if len(rule.steps) < 2:
            yield "has a sequence of fewer than two steps"
        if rule.within < 1:
            yield "has a sequence within fewer than one day"
        for step in rule.steps:
            yield from self._activities(step)
            if step.not_followed_by or step.never:
                yield "has a sequence with not_followed_by or never in a step: say it in a rule of its own"

    def _activities(self, of: Activities) -> Iterator[str]:
        for name in (of.name, of.not_followed_by, of.never):
            if name is not None and name not in self.events:
                yield f"names event {name}, which no source delivers{meant(name, self.events)}"
        if of.within is not None and of.within < 1:
            yield f"has a window of {of.within} days on {of.name}: at least 1, the as-of day itself"
        if of.local_hour is not None:
            first, last = of.local_hour
            if not (0 <= first <= 23 and 0 <= last <= 24 and first != last):
                yield f"has local hours on {of.name} outside 0 to 24, or none at all"
        if of.score is not None and not (
            math.isfinite(of.score[0]) and math.isfinite(of.score[1]) and of.score[0] <= of.score[1]
        ):
            yield f"has a range of scores on {of.name} that ends before it begins"
        for field in fields(of):
            value = getattr(of, field.name)
            if field.name in NAMED:
                yield from _texts(field.name, value)
                if LATEST in value and field.name != "collection":
                    yield f'filters {field.name} by "latest", which only collection knows'

        yield from self._properties(of)

    def _properties(self, of: Activities) -> Iterator[str]:
        declared = self.events[of.name].properties if of.name in self.events else {}
        for name, values in of.properties:
            if name not in declared:
                known = [*declared, *FILTERS_OF_RULES]
                yield f"filters {of.name} by {name}, which is no filter and no property the catalogue declares of it{meant(name, known)}"  # fmt: skip
            elif not values:
                yield f"filters {of.name} by {name} with no value at all"
            elif wrong := [value for value in values if not _is_property(value, declared[name])]:
                yield f"filters {of.name} by {name}, which is {declared[name]}, with a {type(wrong[0]).__name__}"
            yield from _texts(name, tuple(value for value in values if isinstance(value, str)))

    def _points(self, points: Sequence[tuple[float, float]]) -> Iterator[str]:
        if not {"lat", "lon"} <= self.traits.keys():
            yield "asks for a place, but there are no traits lat and lon"
        if not all(-90 <= lat <= 90 and -180 <= lon <= 180 for lat, lon in points):
            yield "has a point outside latitude -90 to 90, longitude -180 to 180"


def _texts(where: str, values: Sequence[str]) -> Iterator[str]:
    if any("\x00" in value or not value for value in values):
        yield f"compares {where} with text that is empty or holds a NUL character"


def _fits(value: Scalar, kind: str) -> bool:
    match value:
        case bool():
            return kind == "BOOLEAN"
        case int():
            return kind in NUMBERS and abs(value) < 2**63
        case float():
            return kind in NUMBERS and math.isfinite(value)
        case Decimal():
            return kind in NUMBERS and value.is_finite()
        case str():
            return kind in ("VARCHAR", "VARCHAR[]")
        case date():
            return kind == "DATE"


def _is_property(value: object, kind: str) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        # Numbers of events are compared as floating-point numbers.
        return kind in ("BIGINT", "DOUBLE") and abs(value) <= 2**53
    if isinstance(value, float | Decimal):
        return kind == "DOUBLE" and math.isfinite(value)
    return isinstance(value, bool | str | date) and _fits(value, kind)


def _function(rule: Rule) -> str:
    return {AllOf: "all_of", AnyOf: "any_of", NoneOf: "none_of"}[type(rule)]
