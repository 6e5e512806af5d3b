"""The catalogue: everything one company declares, in one frozen value that definitions and commands read.

A company keeps its catalogue in its own repository and depends on this package; `starter` is the shipped example.
"""

import hashlib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError
from segment_pipeline.landing.rates import Declared
from segment_pipeline.landing.source import Source
from segment_pipeline.profiles.activities import ACTIVITY_NAMES
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.traits import TraitRules
from segment_pipeline.segments.definition import definition_hash
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.validation import trait_types, validate
from segment_pipeline.settings import Settings

T = TypeVar("T")
Named = TypeVar("Named", Segment, Audience)


@dataclass(frozen=True)
class Catalogue:
    """What one company collects, derives and sends.

    `sources` and `destinations` make their connectors, with secrets as `EnvVar`; only those switched on in the settings
    are made, so that a missing secret of a connector nobody uses stops nobody. `events`: names `did(...)` may use.
    `rates`: units of the base currency for one unit of others, literal or in a CSV file; None: one currency only.
    """

    sources: dict[str, Callable[[], Source]]
    destinations: dict[str, Callable[[], Destination]]
    segments: Sequence[Segment]
    audiences: Sequence[Audience] = ()
    rates: Declared | Path | None = None
    events: frozenset[str] = frozenset(ACTIVITY_NAMES)
    identity: IdentityRules = field(default_factory=IdentityRules)
    traits: TraitRules = field(default_factory=TraitRules)

    def segment(self, name: str) -> Segment:
        """Raises ConfigError for a name that is not declared."""
        return _named(self.segments, name, "segment")

    def audience(self, name: str) -> Audience:
        """Raises ConfigError for a name that is not declared."""
        return _named(self.audiences, name, "audience")

    def enabled_sources(self, settings: Settings) -> dict[str, Source]:
        """The connectors of the sources switched on; raises ConfigError for a name the catalogue lacks."""
        return {name: make() for name, make in _enabled(self.sources, settings.sources, "SOURCES").items()}

    def enabled_destinations(self, settings: Settings) -> dict[str, Destination]:
        """The connectors of the destinations switched on; raises ConfigError for a name the catalogue lacks."""
        return {
            name: make() for name, make in _enabled(self.destinations, settings.destinations, "DESTINATIONS").items()
        }

    def enabled_audiences(self, settings: Settings) -> list[Audience]:
        """Audiences whose destination is switched on."""
        return [audience for audience in self.audiences if audience.destination in settings.destinations]

    @property
    def digest(self) -> str:
        """Changes whenever a rule of a segment does."""
        by_name = {segment.name: segment for segment in self.segments}
        hashes = sorted(f"{s.name}:{definition_hash(s, by_name)}" for s in self.segments)
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]

    def problems(self) -> list[str]:
        """Every mistake in the declarations, one sentence each, a rule's with its file and line; empty when there is none."""
        found = validate(self.segments, self.events)
        segments = {segment.name for segment in self.segments}
        seen: set[str] = set()
        for audience in self.audiences:
            if audience.name in seen:
                found.append(f"audience {audience.name} is declared twice: rename one")
            seen.add(audience.name)
            if audience.segment not in segments:
                found.append(f"audience {audience.name} names segment {audience.segment}, which nobody declares")
            for attribute in audience.attributes:
                if attribute.trait not in trait_types():
                    found.append(f"audience {audience.name} sends trait {attribute.trait}, which nobody declares")
            if audience.destination not in self.destinations:
                found.append(
                    f"audience {audience.name} names destination {audience.destination}, which nobody declares"
                )
        return found

    def validate(self) -> None:
        """Raises ConfigError with every problem; nothing loads on a catalogue that has one."""
        if found := self.problems():
            raise ConfigError("the catalogue has mistakes:\n" + "\n".join(f"  {problem}" for problem in found))


def _named(things: Sequence[Named], name: str, kind: str) -> Named:
    for thing in things:
        if thing.name == name:
            return thing
    raise ConfigError(f"there is no {kind} {name}: `segment-pipeline {kind}s list` shows them")


def _enabled(made: dict[str, Callable[[], T]], names: Sequence[str], variable: str) -> dict[str, Callable[[], T]]:
    if unknown := sorted(set(names) - set(made)):
        raise ConfigError(
            f"SEGMENT_PIPELINE_{variable} names {', '.join(unknown)}, which the catalogue lacks; it has {', '.join(made)}"
        )
    return {name: make for name, make in made.items() if name in names}


def load(reference: str) -> Catalogue:
    """The catalogue a setting names as `module:name`. Raises ConfigError when there is none of that name."""
    module, _, name = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise ConfigError(
            f"SEGMENT_PIPELINE_CATALOGUE is {reference}, which cannot be imported: set it like our_company.catalogue:OURS"
        ) from None
    if not isinstance(found, Catalogue):
        raise ConfigError(f"SEGMENT_PIPELINE_CATALOGUE is {reference}, which is not a Catalogue")
    return found
