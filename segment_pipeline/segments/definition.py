"""What a segment's rule is, as canonical JSON and as a digest: the same people are meant exactly when the digest is the same.

Order inside all_of, any_of, none_of and lists of names does not count; descriptions, owners and the names of segments do not
either: a reference stands for the rule it refers to. What a rule reads is part of it: a trait or an activity that begins to
mean something else (`Vocabulary.meanings`) makes another definition of every segment that reads it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from segment_pipeline.algebra.canonical import canonical
from segment_pipeline.algebra.nodes import (
    BirthdayRule,
    Compared,
    CountRule,
    InsideRule,
    MemberRule,
    NearRule,
    NearStoreRule,
    RankRule,
    SequenceRule,
    ShareRule,
    SqlRule,
    SumRule,
    TopRule,
    TraitRule,
    UnfollowedRule,
    YearlyRule,
)
from segment_pipeline.algebra.parts import Rule
from segment_pipeline.algebra.trees import leaves, references
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.profiles.compiler.kinds import aggregates_in, traits_in
from segment_pipeline.profiles.compiler.predicates import columns_of
from segment_pipeline.segments.rules import Segment

# Part of every definition_hash: raise it when every rule begins to mean other people.
COMPILER_VERSION = 1
# By kind of rule, where one no longer means what it did at first: raise a kind's number (add it at 2) in the commit that
# makes such rules mean other people.
RULE_MEANINGS: Final[Mapping[str, int]] = {"BirthdayRule": 2, "SqlRule": 2}
# What `Vocabulary.meanings` calls an activity begins with this; the name of no trait does.
DID: Final = "did "


def reached(rule: Rule, segments: Mapping[str, Segment]) -> list[Rule]:
    """The leaves of a rule and of the segments it refers to, each segment once."""
    found: list[Rule] = []
    seen: set[str] = set()
    open_rules = [rule]
    while open_rules:
        for leaf in leaves(open_rules.pop()):
            found.append(leaf)
            if isinstance(leaf, MemberRule) and leaf.segment in segments and leaf.segment not in seen:
                seen.add(leaf.segment)
                open_rules.append(segments[leaf.segment].where)
    return found


def traits_of(rule: Rule, segments: Mapping[str, Segment]) -> set[str]:
    """Names of the traits a rule reads, those of segments it refers to included; shares of spend are no trait."""
    return {name for leaf in reached(rule, segments) for name in _traits_read(leaf)}


def reads_core(rule: Rule, segments: Mapping[str, Segment]) -> bool:
    """Whether a rule, or one it refers to, reads core traits or shares of spend."""
    read = {name for leaf in reached(rule, segments) for name in _read(leaf)}
    return not read.isdisjoint({"trait_shares", *CORE.types})


def _traits_read(leaf: Rule) -> tuple[str, ...]:
    match leaf:
        case TraitRule(name) | TopRule(name):
            return (name,)
        case RankRule(name, _, _, per, _):
            return (name,) if per is None else (name, per)
        case SqlRule(text):
            return tuple(columns_of(text))
        case NearRule() | NearStoreRule() | InsideRule():
            return ("lat", "lon")
        case BirthdayRule():
            return ("birth_day",)
        case YearlyRule(name):
            return (name,)
        case Compared(left, _, right):
            return (*traits_in(left), *traits_in(right))
    return ()


def _read(leaf: Rule) -> set[str]:
    """What a leaf reads, as `Vocabulary.meanings` calls it."""
    match leaf:
        case ShareRule():
            return {"trait_shares"}
        case CountRule(of) | SumRule(of):
            return {DID + name for name in (of.name, of.not_followed_by, of.never) if name}
        case SequenceRule(steps):
            return {DID + step.name for step in steps}
        case UnfollowedRule(first, then, _):
            return {DID + first.name, DID + then.name}
        case Compared(left, _, right):
            asked = {DID + a.of.name for side in (left, right) for a in aggregates_in(side)}
            return asked | set(_traits_read(leaf))
    return set(_traits_read(leaf))


def definition_hash(
    segment: Segment, segments: Mapping[str, Segment], meanings: Mapping[str, str] | None = None
) -> str:
    """Digest of a segment's rule, of the rules it refers to, and of what everything they read means; 32 hex digits.

    `segments`: by name, those referred to included. `meanings`: of `Vocabulary`. Raises ConfigError for a reference to
    none of the segments, or a cycle.
    """
    referred = _referred(segment.name, segment.where, segments, path=(segment.name,), known={})
    where = {"where": canonical(segment.where, referred), "references": {}}
    return _digest(_beside(segment.where, segments, meanings or {}) | where)


def former_hash(segment: Segment, segments: Mapping[str, Segment], meanings: Mapping[str, str] | None = None) -> str:
    """The same digest as it was made while a reference stood for the name it refers to: lakes hold days with it."""
    names = {leaf.segment for leaf in reached(segment.where, segments) if isinstance(leaf, MemberRule)}
    where = {
        "where": canonical(segment.where),
        "references": {name: canonical(segments[name].where) for name in names},
    }
    return _digest(_beside(segment.where, segments, meanings or {}) | where)


def _beside(rule: Rule, segments: Mapping[str, Segment], meanings: Mapping[str, str]) -> dict[str, Any]:
    """What counts beside the rule's text. What means what it always did is not said, so that older digests stay."""
    found = reached(rule, segments)
    read = {name for leaf in found for name in _read(leaf)}
    kinds = {type(leaf).__name__ for leaf in found}
    parts = {
        "traits": {name: meant for name, meant in meanings.items() if name in read and not name.startswith(DID)},
        "activities": {name: meant for name, meant in meanings.items() if name in read and name.startswith(DID)},
        "rules": {kind: number for kind, number in RULE_MEANINGS.items() if kind in kinds},
    }
    return {"compiler": COMPILER_VERSION} | {part: held for part, held in parts.items() if held}


def _referred(
    name: str, rule: Rule, segments: Mapping[str, Segment], *, path: tuple[str, ...], known: dict[str, str]
) -> dict[str, str]:
    """Digests of the rules of the segments a rule refers to, by name. `known`: those made already."""
    for reference in sorted(references(rule)):
        if reference not in segments:
            raise ConfigError(
                f"segment {name} refers to segment {reference}, which is not declared: declare it or correct the name"
            )
        if reference in path:
            raise ConfigError(
                f"segments refer to each other in a circle ({' -> '.join((*path, reference))}): take one reference out"
            )
        if reference not in known:
            where = segments[reference].where
            below = _referred(reference, where, segments, path=(*path, reference), known=known)
            known[reference] = _digest(canonical(where, below))
    return known


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:32]
