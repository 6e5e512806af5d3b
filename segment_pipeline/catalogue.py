"""The catalogue: everything one company declares, in one frozen value that definitions and commands read.

A company keeps its catalogue in its own repository and depends on this package; `starter` is the shipped example.
"""

import hashlib
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from segment_pipeline.algebra.spelling import meant
from segment_pipeline.audiences.audience import Audience, SegmentToday
from segment_pipeline.connector import misset
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError, SegmentPipelineError
from segment_pipeline.events import Event
from segment_pipeline.goals import Goal, goal_problems
from segment_pipeline.landing.rates import Declared
from segment_pipeline.landing.source import Source
from segment_pipeline.literals import Kind, expect, listed, made_of, written
from segment_pipeline.profiles.rules import IdentityRules, TraitRules
from segment_pipeline.profiles.traits import sets
from segment_pipeline.segments.definition import definition_hash
from segment_pipeline.segments.own_traits import quantity_problems
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.validation import OWNER, problems, unnamed, validate
from segment_pipeline.segments.vocabulary import Vocabulary, event_problems
from segment_pipeline.settings import Settings
from segment_pipeline.traits import TraitSet

T = TypeVar("T", Source, Destination)
Named = TypeVar("Named", Segment, Audience)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
# The first parts of the keys of assets that are not a source's.
ROOMS: Final = frozenset({"profiles", "segments", "audiences", "measurement", "published"})


@dataclass(frozen=True)
class Catalogue:
    """What one company collects, derives and sends.

    `sources` and `destinations` are connectors, each known by its `name`; two of a kind have two names. A missing secret of one
    that is not used stops nobody. `events`: names `did(...)` may use beside ours, with
    their properties. `goals`: those segments may name, with their measures; none declared: any name. `traits`: thresholds of ours; `trait_sets`: the company's own.
    `rates`: units of the base currency for one unit of others, literal or in a CSV file; None: one currency only.
    """

    sources: Sequence[Source]
    destinations: Sequence[Destination]
    segments: Sequence[Segment]
    audiences: Sequence[Audience] = ()
    goals: Sequence[Goal] = ()
    rates: Declared | Path | None = None
    events: Sequence[Event] = ()
    identity: IdentityRules = field(default_factory=IdentityRules)
    traits: TraitRules = field(default_factory=TraitRules)
    trait_sets: Sequence[TraitSet] = ()

    def __post_init__(self) -> None:
        expect(
            written(),
            "the catalogue",
            sources=(self.sources, _connectors("sources")),
            destinations=(self.destinations, _connectors("destinations")),
            segments=(self.segments, listed(Segment, "segments")),
            audiences=(self.audiences, listed(Audience, "audiences")),
            goals=(self.goals, listed(Goal, "goals")),
            rates=(self.rates, _RATES),
            events=(self.events, listed(Event, "events")),
            identity=(self.identity, made_of(IdentityRules)),
            traits=(self.traits, made_of(TraitRules)),
            trait_sets=(self.trait_sets, listed(TraitSet, "trait_sets")),
        )
        # What reads the lake without a catalogue in hand must know a company's own tables as well.
        if not sets.problems(self.trait_sets):
            for own in self.trait_sets:
                sets.declare(own)

    @property
    def vocabulary(self) -> Vocabulary:
        """What segments are judged against and compiled with."""
        return Vocabulary.of(
            self.trait_sets,
            self.events,
            self.identity,
            self.traits,
            sources=[source for source in self.sources if not isinstance(source, type)],
            goals=[goal.name for goal in self.goals],
        )

    def segment(self, name: str) -> Segment:
        """Raises ConfigError for a name that is not declared."""
        return _named(self.segments, name, "segment")

    def audience(self, name: str) -> Audience:
        """Raises ConfigError for a name that is not declared."""
        return _named(self.audiences, name, "audience")

    def connectors(self) -> list[Source | Destination]:
        """All of them, switched on or not."""
        return [*_by_name(self.sources).values(), *_by_name(self.destinations).values()]

    def enabled_sources(self, settings: Settings) -> dict[str, Source]:
        """The sources switched on, by name: all unless the settings name some. Raises ConfigError for a name the catalogue lacks."""
        return _enabled(_by_name(self.sources), settings.sources, "SOURCES")

    def enabled_destinations(self, settings: Settings) -> dict[str, Destination]:
        """The destinations switched on, as `enabled_sources`."""
        return _enabled(_by_name(self.destinations), settings.destinations, "DESTINATIONS")

    def enabled_audiences(self, settings: Settings) -> list[Audience]:
        """Audiences whose destination is switched on, as `audiences_today` has them."""
        switched_on = self.enabled_destinations(settings)
        return [audience for audience in self.audiences_today() if audience.destination in switched_on]

    def audiences_today(self) -> list[Audience]:
        """The audiences, each with what its segment is today."""
        by_name, meanings = {segment.name: segment for segment in self.segments}, self.vocabulary.meanings
        wrong = self.segment_problems()
        known = {
            name: SegmentToday("" if name in wrong else definition_hash(segment, by_name, meanings), segment.message)
            for name, segment in by_name.items()
            if any(audience.segment == name for audience in self.audiences)
        }
        return [replace(audience, today=known.get(audience.segment)) for audience in self.audiences]

    def definition(self, name: str) -> str:
        """The hash of a segment's definition today, empty for one that is wrong; `segments.evaluated` tells which one a day's
        memberships were made with.
        """
        if name in self.segment_problems():
            return ""
        by_name = {segment.name: segment for segment in self.segments}
        return definition_hash(self.segment(name), by_name, self.vocabulary.meanings)

    @property
    def digest(self) -> str:
        """Changes whenever a rule of a segment does."""
        hashes = sorted(f"{segment.name}:{self.definition(segment.name)}" for segment in self.segments)
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]

    def problems(self) -> list[str]:
        """Every mistake in the declarations, one sentence each, a rule's with its file and line; empty when there is none."""
        found = [*_misnamed(self.sources, "source"), *_misnamed(self.destinations, "destination")]
        found += _misset(self.destinations)
        found += _unknown_sources(self.identity, _by_name(self.sources))
        found += _unknown_users(self.destinations, _by_name(self.sources))
        found += [*sets.problems(self.trait_sets), *event_problems(self.events)]
        if unread := [*_unread(self.sources)]:
            return found + unread  # what may be asked of people depends on what the sources fill
        known = self.vocabulary
        found += quantity_problems(self.trait_sets, known)
        found += validate(self.segments, known)
        found += goal_problems(self.goals)
        found += [*_unequal_holdouts(self.audiences), *_one_remote_audience(self.audiences)]
        destinations = _by_name(self.destinations)
        segments = {segment.name for segment in self.segments}
        seen: set[str] = set()
        for audience in self.audiences:
            if audience.name in seen:
                found.append(f"audience {audience.name} is declared twice: rename one")
            seen.add(audience.name)
            if not OWNER.fullmatch(audience.owner):
                found.append(f"audience {audience.name} has the owner {audience.owner}: write an e-mail or team:name")
            if audience.segment not in segments:
                found.append(
                    f"audience {audience.name} names segment {audience.segment}, which nobody declares{meant(audience.segment, segments)}"
                )
            for attribute in audience.attributes:
                if attribute.trait not in known.traits:
                    found.append(
                        f"audience {audience.name} sends trait {attribute.trait}, which nobody declares{meant(attribute.trait, known.traits)}"
                    )
            found += _message_problems(audience, self.segments)
            if audience.destination not in destinations:
                found.append(
                    f"audience {audience.name} names destination {audience.destination}, which nobody declares{meant(audience.destination, destinations)}"
                )
        return found

    def segment_problems(self) -> dict[str, list[str]]:
        """What is wrong with the segments, by the name of the segment; such a one is not evaluated, and its audiences are held."""
        return problems(self.segments, self.vocabulary)

    def validate(self) -> None:
        """Raises ConfigError with every problem but those of single segments, which stop nothing else: nothing loads with one."""
        alone = {text for texts in self.segment_problems().values() for text in texts}
        alone -= set(unnamed(self.segments))
        if found := [problem for problem in self.problems() if problem not in alone]:
            raise ConfigError("the catalogue has mistakes:\n" + "\n".join(f"  {problem}" for problem in found))


def _connectors(of: str) -> Kind:
    """Another package's connector is of no class of ours; a class in its place is told with its name."""
    return (
        lambda value: (
            isinstance(value, Sequence) and all(hasattr(each, "name") or isinstance(each, type) for each in value)
        ),
        f"each a connector, in a list: {of}=[…()]",
    )


# Declared, or a file that is.
_RATES: Final[Kind] = (
    lambda value: value is None or isinstance(value, Mapping | Path),
    "rates by day, or the Path of a CSV file of them",
)


def _named(things: Sequence[Named], name: str, kind: str) -> Named:
    for thing in things:
        if thing.name == name:
            return thing
    close = meant(name, [thing.name for thing in things])
    raise ConfigError(f"there is no {kind} {name}{close or f': `segment-pipeline {kind}s list` shows them'}")


def _by_name(connectors: Sequence[T]) -> dict[str, T]:
    return {getattr(connector, "name", ""): connector for connector in connectors}


def _unread(sources: Sequence[Any]) -> Iterator[str]:
    """Sources that cannot say what they have: a company's own statement that is not SQL, most of all."""
    for source in sources:
        try:
            if not isinstance(source, type):
                _ = source.entities
        except SegmentPipelineError as error:
            yield str(error)


def _misnamed(connectors: Sequence[Any], kind: str) -> list[str]:
    """A name is part of asset keys, of variables and of paths, and `source` of rows for ever."""
    classes = [made for made in connectors if isinstance(made, type)]
    names = [getattr(made, "name", "") for made in connectors if made not in classes]
    found = [f"{kind} {made.__name__} is a class: write {made.__name__}()" for made in classes]
    found += [
        f"{kind} {name} is declared {n} times: give each a name of its own"
        for name, n in Counter(names).items()
        if n > 1
    ]
    for name in dict.fromkeys(names):
        if not _NAME.fullmatch(name) or keyword.iskeyword(name):
            found.append(
                f"{kind} {name!r} has no usable name: lower-case letters, digits and _, a letter first, at most 40"
            )
        elif name in ROOMS:
            found.append(
                f"{kind} {name} has the name of a room of asset keys ({', '.join(sorted(ROOMS))}): choose another"
            )
    return found


def _misset(destinations: Sequence[Any]) -> Iterator[str]:
    """Settings that would fail a sync, or do another thing than was meant. Another package's connector may be no dataclass."""
    for made in destinations:
        if is_dataclass(made) and not isinstance(made, type):
            yield from (f"destination {said}" for said in misset(made))


def _unknown_users(destinations: Sequence[Any], declared: Collection[str]) -> Iterator[str]:
    """A source misspelt here has no customers: audiences of ids would be empty without a word."""
    for made in destinations:
        for rule in () if isinstance(made, type) else made.capabilities.identifiers:
            kind, _, source = rule.kind.partition(":")
            if kind == "user_id" and source not in declared:
                yield f"destination {made.name} knows people by the ids of source {source}, which nobody declares{meant(source, declared)}"


def _message_problems(audience: Audience, segments: Sequence[Segment]) -> Iterator[str]:
    """A message reaches the tool beside the mapped traits: every part of it needs a name of its own there."""
    message = next((segment.message for segment in segments if segment.name == audience.segment), {})
    for name in sorted(audience.message_names.keys() - message.keys()):
        yield f"audience {audience.name} names part {name} of the message of segment {audience.segment}, which has none{meant(name, message)}"
    fields = [audience.message_names.get(name, name) for name in message]
    mapped = [attribute.field for attribute in audience.attributes]
    for name, times in Counter([*fields, *mapped]).items():
        if times > 1 and name in fields:
            yield (
                f"audience {audience.name} sends field {name} twice, of the message of segment {audience.segment} too: name the"
                " message's part otherwise in `message_names`, or map the trait to another field"
            )


def _unequal_holdouts(audiences: Sequence[Audience]) -> Iterator[str]:
    """Audiences of one experiment share its draw: with two shares it would be the first sync that decides."""
    shares: dict[str, set[float]] = {}
    for audience in audiences:
        if audience.holdout:
            shares.setdefault(audience.holdout.experiment, set()).add(audience.holdout.share)
    for experiment, held in shares.items():
        if len(held) > 1:
            said = " and ".join(f"{share:g}" for share in sorted(held))
            yield f"experiment {experiment} has a holdout of {said}: give its audiences one share"


def _one_remote_audience(audiences: Sequence[Audience]) -> Iterator[str]:
    """Two audiences that a tool would be asked for by one name would take out each other's people. Tools differ in what they tell
    apart, so capitals, blanks and forms of a letter count for nothing here.
    """
    called: dict[tuple[str, str], Audience] = {}
    for audience in audiences:
        name = " ".join(unicodedata.normalize("NFKC", audience.remote).casefold().split())
        other = called.setdefault((audience.destination, name), audience)
        if other.name != audience.name:
            yield (
                f"audiences {other.name} and {audience.name} are both called {audience.remote} at {audience.destination}: "
                "give one another `remote_name`"
            )


def _unknown_sources(rules: IdentityRules, declared: Collection[str]) -> Iterator[str]:
    """A source misspelt here would link nobody, or be trusted last, without a word; one that is over stays declared, switched off."""
    named = [("key_spaces", name) for pair in rules.key_spaces.items() for name in pair]
    for where, name in dict.fromkeys([*named, *(("trust", name) for name in rules.trust)]):
        if name not in declared:
            yield f"identity names source {name} in {where}, which nobody declares{meant(name, declared)}"
    for name, owner in rules.key_spaces.items():
        if onwards := rules.key_spaces.get(owner):
            yield (
                f"identity says in key_spaces that {name} names the customers of {owner}, and {owner} those of {onwards}:"
                " say of each whose they are in the end"
            )


def _enabled(declared: dict[str, T], names: Sequence[str] | None, variable: str) -> dict[str, T]:
    if names is None:
        return declared
    if unknown := sorted(set(names) - set(declared)):
        raise ConfigError(
            f"SEGMENT_PIPELINE_{variable} names {', '.join(unknown)}, which the catalogue lacks; it has {', '.join(declared)}"
        )
    return {name: connector for name, connector in declared.items() if name in names}
