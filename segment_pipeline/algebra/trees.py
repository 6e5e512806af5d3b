"""The rules a rule is made of, and the segments it names."""

from typing import Protocol

from segment_pipeline.algebra.nodes import AllOf, AnyOf, MemberRule, NoneOf, PastRule, RankRule
from segment_pipeline.algebra.parts import Rule


class Named(Protocol):
    """A rule by a name that other rules may refer to it by: a segment."""

    @property
    def name(self) -> str: ...

    @property
    def where(self) -> Rule: ...


def children(rule: Rule) -> tuple[Rule, ...]:
    """The rules a rule combines; none for a leaf."""
    return rule.rules if isinstance(rule, AllOf | AnyOf | NoneOf) else ()


def asides(rule: Rule) -> tuple[Rule, ...]:
    """The rules a leaf asks of others than it tells of: those a rank is among."""
    return (rule.among,) if isinstance(rule, RankRule) and rule.among is not None else ()


def leaves(rule: Rule) -> list[Rule]:
    """The leaves of a rule, left to right, each before those of the rules it asks of others."""
    below = children(rule)
    return (
        [leaf for child in below for leaf in leaves(child)]
        if below
        else [rule, *(leaf for aside in asides(rule) for leaf in leaves(aside))]
    )


def references(rule: Rule) -> set[str]:
    """Names of the segments a rule asks membership of."""
    return {leaf.segment for leaf in leaves(rule) if isinstance(leaf, MemberRule)}


def looked_back_at(rule: Rule) -> set[str]:
    """Names of the segments whose former members a rule asks for: nothing of them has to be computed first."""
    return {leaf.segment for leaf in leaves(rule) if isinstance(leaf, PastRule)}
