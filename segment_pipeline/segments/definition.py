"""What a segment's rule is, as canonical JSON and as a digest: the same people are meant exactly when the digest is the same.

Order inside all_of, any_of, none_of and lists of names does not count; descriptions and owners do not either.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

from segment_pipeline.errors import ConfigError
from segment_pipeline.segments.nodes import (
    NAMED,
    Activities,
    AllOf,
    AnyOf,
    MemberRule,
    NoneOf,
    Rule,
    TopRule,
    TraitRule,
)
from segment_pipeline.segments.rules import Segment

# Part of every definition_hash: raise it when the same rule begins to mean other people.
COMPILER_VERSION = 1


def children(rule: Rule) -> tuple[Rule, ...]:
    """The rules a rule combines; none for a leaf."""
    return rule.rules if isinstance(rule, AllOf | AnyOf | NoneOf) else ()


def leaves(rule: Rule) -> list[Rule]:
    """The leaves of a rule, left to right."""
    below = children(rule)
    return [leaf for child in below for leaf in leaves(child)] if below else [rule]


def references(rule: Rule) -> set[str]:
    """Names of the segments a rule asks membership of."""
    return {leaf.segment for leaf in leaves(rule) if isinstance(leaf, MemberRule)}


def traits_of(rule: Rule, segments: Mapping[str, Segment]) -> set[str]:
    """Names of the traits a rule compares or ranks by, those of segments it refers to included."""
    found: set[str] = set()
    seen: set[str] = set()
    open_rules = [rule]
    while open_rules:
        for leaf in leaves(open_rules.pop()):
            if isinstance(leaf, TraitRule | TopRule):
                found.add(leaf.trait)
            elif isinstance(leaf, MemberRule) and leaf.segment in segments and leaf.segment not in seen:
                seen.add(leaf.segment)
                open_rules.append(segments[leaf.segment].where)
    return found


def canonical(node: object) -> Any:
    """A rule, or a part of one, as JSON values."""
    match node:
        case AllOf(rules) | AnyOf(rules) | NoneOf(rules):
            texts = sorted({json.dumps(canonical(rule), sort_keys=True) for rule in rules})
            return {type(node).__name__: [json.loads(text) for text in texts]}
        case TraitRule(trait, "in", values):
            return {"TraitRule": [trait, "in", sorted((canonical(value) for value in values), key=json.dumps)]}
        case Rule() | Activities():
            held = {}
            for field in fields(node):  # type: ignore[arg-type]
                value = getattr(node, field.name)
                if value != () and value is not None and value is not False:
                    held[field.name] = sorted(value) if field.name in NAMED else canonical(value)
            return {type(node).__name__: held}
        case tuple():
            return [canonical(item) for item in node]
        case bool() | str() | None:
            return node
        case int() | float() | Decimal():
            return {"number": format(Decimal(str(node)).normalize(), "f")}
        case date():
            return {"day": node.isoformat()}
    raise ConfigError(f"a rule cannot hold a {type(node).__name__}")


def definition_hash(
    segment: Segment, segments: Mapping[str, Segment], own_traits: Mapping[str, str] | None = None
) -> str:
    """Digest of a segment's rule, of the rules and own traits it refers to, and of the compiler's version; 32 hex digits.

    `segments`: by name, those referred to included. `own_traits`: what a company's own traits are made of, as a digest by
    name. Raises ConfigError for a reference to none of them, or a cycle.
    """
    held: dict[str, Any] = {}
    _collect(segment.name, segment.where, segments, held, (segment.name,))
    content = {"compiler": COMPILER_VERSION, "where": canonical(segment.where), "references": held}
    own = own_traits or {}
    if read := sorted(traits_of(segment.where, segments) & own.keys()):
        content["traits"] = {name: own[name] for name in read}
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _collect(
    name: str, rule: Rule, segments: Mapping[str, Segment], held: dict[str, Any], path: tuple[str, ...]
) -> None:
    for reference in sorted(references(rule)):
        if reference not in segments:
            raise ConfigError(
                f"segment {name} refers to segment {reference}, which is not declared: declare it or correct the name"
            )
        if reference in path:
            raise ConfigError(
                f"segments refer to each other in a circle ({' -> '.join((*path, reference))}): take one reference out"
            )
        if reference not in held:
            where = segments[reference].where
            held[reference] = canonical(where)
            _collect(reference, where, segments, held, (*path, reference))
