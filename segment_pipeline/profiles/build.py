"""What the pipeline calls for one day: identities first, then traits. Thin on purpose; the rooms' modules do the work."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import zip_longest

from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.facts.runs import days_of
from segment_pipeline.profiles.identity.resolution import IdentityReport, build_identities
from segment_pipeline.profiles.rules import IdentityRules, TraitRules
from segment_pipeline.profiles.traits.compute import TraitsReport, build_traits
from segment_pipeline.profiles.traits.own import OwnTraitsReport, Quantities, build_own_traits
from segment_pipeline.settings import Settings, memory_bytes
from segment_pipeline.traits import TraitSet


def identities(lake: Lake, as_of: date, settings: Settings, rules: IdentityRules | None = None) -> IdentityReport:
    """Identities of one day; the newest day also gets profiles and profile_identifiers. One build at a time."""
    memory = memory_bytes(settings.memory)
    return build_identities(lake, AsOf(as_of, settings.timezone), rules or IdentityRules(), memory=memory)


def traits(
    lake: Lake,
    as_of: date,
    settings: Settings,
    rules: TraitRules | None = None,
    identity_rules: IdentityRules | None = None,
) -> TraitsReport:
    """Traits and trait shares of one day; its identities must be there. Days may be built at the same time."""
    return build_traits(lake, AsOf(as_of, settings.timezone), rules, identity_rules=identity_rules)


def identities_of(
    lake: Lake, days: Sequence[date], settings: Settings, rules: IdentityRules | None = None
) -> Iterator[IdentityReport]:
    """Identities of several days in turn, the same as one by one over the facts as the first day finds them."""
    memory = memory_bytes(settings.memory)
    with days_of(lake, several=len(days) > 1) as run:
        for day, coming in zip_longest(days, days[1:]):
            as_of = AsOf(day, settings.timezone)
            yield build_identities(lake, as_of, rules or IdentityRules(), memory=memory, run=run, coming=coming)


def traits_of(
    lake: Lake,
    days: Sequence[date],
    settings: Settings,
    rules: TraitRules | None = None,
    identity_rules: IdentityRules | None = None,
) -> Iterator[TraitsReport]:
    """Traits and trait shares of several days in turn, the same as one by one over the facts as the first day finds them."""
    with days_of(lake, several=len(days) > 1) as run:
        for day in days:
            yield build_traits(lake, AsOf(day, settings.timezone), rules, identity_rules=identity_rules, run=run)


def own_traits_of(
    lake: Lake,
    days: Sequence[date],
    settings: Settings,
    traits: TraitSet,
    rules: IdentityRules | None = None,
    *,
    quantities: Quantities | None = None,
) -> Iterator[OwnTraitsReport]:
    """One set of a company's own traits of several days in turn; the days' core traits must be there.

    `quantities`: of `segments.own_traits`, for a set that has any.
    """
    with days_of(lake, several=len(days) > 1) as run:
        for day in days:
            as_of = AsOf(day, settings.timezone)
            yield build_own_traits(lake, as_of, traits, rules=rules, quantities=quantities, run=run)
