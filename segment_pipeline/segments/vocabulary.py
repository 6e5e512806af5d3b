"""What rules may name: traits, activities and their properties, as the package and a company's catalogue declare them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from segment_pipeline.algebra.arguments import COUNTS
from segment_pipeline.algebra.parts import Activities
from segment_pipeline.algebra.spelling import meant, one_of
from segment_pipeline.events import PROPERTY_TYPES, Event
from segment_pipeline.landing.source import Source
from segment_pipeline.literals import repeated
from segment_pipeline.profiles.facts.activities import (
    ACTIVITY_FILLS,
    ACTIVITY_MEANINGS,
    ACTIVITY_NAMES,
    OWN_EVENT_FILLS,
    tellers,
)
from segment_pipeline.profiles.rules import IdentityRules, TraitRules
from segment_pipeline.profiles.traits.sets import core_meanings, trait_types
from segment_pipeline.segments.definition import DID
from segment_pipeline.traits import TraitSet

_PROPERTY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
# An event's name stands in sentences, in lists and in keys.
MOST_LETTERS: Final = 200
# What both engines' JSON paths take between quotes.
_KEY: Final = re.compile(r"""[^"'\\?*\[\]\x00-\x1f]{1,200}""")
# What `fills` of an event may name: filters, and the columns of activities they ask for.
FILTER_COLUMNS: Final = {"product": "item_key"} | {name: name for name in sorted(OWN_EVENT_FILLS - {"item_key"})}
# Words of `did(...)` that a property cannot have for its name.
FILTERS_OF_RULES: Final = frozenset(
    {"product", *COUNTS, *(each.name for each in fields(Activities))} - {"properties", "mistakes"}
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What segments are judged against and compiled with. `traits`: lake types by name; `events`: declarations by name, or names.

    `sets`: the company's own sets of traits, whose names are among `traits`. `identity`: the rules identities are built with: by their
    key spaces events, messages and answers find their person. `rules`: the thresholds the core's traits are made with.
    `sources`: names of those there are; None: not known. `events_have_local_time`: some source tells in which time zone its events
    happened. `goals`: those declared; none: a segment may have any.
    """

    traits: Mapping[str, str] = field(default_factory=trait_types)
    events: Collection[str] | Mapping[str, Event] = ACTIVITY_NAMES
    sets: Sequence[TraitSet] = ()
    identity: IdentityRules = field(default_factory=IdentityRules)
    rules: TraitRules = field(default_factory=TraitRules)
    sources: Collection[str] | None = None
    events_have_local_time: bool = False
    goals: Collection[str] = ()

    @classmethod
    def of(
        cls,
        sets: Sequence[TraitSet],
        events: Sequence[Event],
        identity: IdentityRules | None = None,
        rules: TraitRules | None = None,
        *,
        sources: Sequence[Source] | None = None,
        goals: Collection[str] = (),
    ) -> "Vocabulary":
        """Ours, and what a company declares beside it."""
        fills = [fill for source in sources or () for entity in source.entities for fill in entity.tables]
        return cls(
            trait_types(sets),
            known_events(events),
            sets,
            identity or IdentityRules(),
            rules or TraitRules(),
            None if sources is None else [source.name for source in sources],
            any(fill.table == "events" and fill.says("local_at") for fill in fills),
            goals,
        )

    def filled(self, name: str) -> frozenset[str]:
        """The columns that rules may ask for and that some activity by a name has."""
        event = by_name(self.events).get(name)
        also = frozenset(FILTER_COLUMNS.get(field, field) for field in event.fills) if event else frozenset()
        local = {"local_at"} if self.events_have_local_time and tellers([name]) == ["events"] else set()
        return ACTIVITY_FILLS.get(name, OWN_EVENT_FILLS) | also | local

    @property
    def properties(self) -> dict[str, str]:
        """Types of the events' properties, by the property's name."""
        return {name: kind for event in by_name(self.events).values() for name, kind in event.properties.items()}

    @property
    def keys(self) -> dict[str, str]:
        """Keys of the events' properties in their records, by the property's name, where they differ from it."""
        return {name: key for event in by_name(self.events).values() for name, key in event.keys.items()}

    @property
    def meanings(self) -> dict[str, str]:
        """What traits and activities mean, as text by name: of a company's own traits what they are made of; of ours what
        is not what it was at first. Names without an entry mean what they always did.
        """
        own = {trait.name: trait.digest for one in self.sets for trait in one.traits}
        ours = {DID + name: str(number) for name, number in ACTIVITY_MEANINGS.items()}
        return ours | core_meanings(self.rules) | own


def known_events(own: Sequence[Event]) -> dict[str, Event]:
    """The activities `did(...)` may name: ours, and a company's, which may say more of one of ours."""
    return {name: Event(name) for name in ACTIVITY_NAMES} | {event.name: event for event in own}


def by_name(events: Collection[str] | Mapping[str, Event]) -> Mapping[str, Event]:
    return events if isinstance(events, Mapping) else {name: Event(name) for name in events}


def event_problems(events: Sequence[Event]) -> list[str]:
    """What is wrong with a company's events, one sentence each; empty: nothing."""
    found = [*repeated(events, "event", "declare it once")]
    types: dict[str, set[str]] = {}
    keys: dict[str, set[str]] = {}
    asked: dict[str, str] = {}
    for event in events:
        found += [f"{event.place}: event {event.name} {text}" for text in _problems(event)]
        for name, kind in event.properties.items():
            asked[name] = event.place
            types.setdefault(name, set()).add(kind)
            keys.setdefault(name, set()).add(event.keys.get(name, name))
    found += [
        f"{asked[name]}: property {name} is {' in one event and '.join(sorted(kinds))} in another: give a name one type"
        for name, kinds in sorted(types.items())
        if len(kinds) > 1
    ]
    found += [
        f"{asked[name]}: property {name} has the key {' in one event and '.join(map(repr, sorted(held)))} in another: give each a name of its own"
        for name, held in sorted(keys.items())
        if len(held) > 1
    ]
    return found


def _problems(event: Event) -> Iterator[str]:
    if not event.name.strip() or "\x00" in event.name:
        yield "has no name"
    elif event.name != event.name.strip() or not event.name.isprintable() or len(event.name) > MOST_LETTERS:
        yield f"has a name that is longer than {MOST_LETTERS} letters, or has line ends or blanks around it: write it as it lands"
    elif tellers([event.name]) != ["events"]:
        yield "has a name under which orders, what was given back, messages, answers, carts or consents are told: choose another"
    for name, kind in event.properties.items():
        if not _PROPERTY.fullmatch(name):
            ours = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "its_name"
            yield (
                f"has a property {name!r}: rules need letters, digits and underscores, a letter first; name it {ours} and write"
                f" keys={{{ours!r}: {name!r}}}"
            )
        if kind not in PROPERTY_TYPES:
            yield f"has a property {name} of the type {kind}: choose among {', '.join(PROPERTY_TYPES)}"
    for name in sorted(set(event.fills) - FILTER_COLUMNS.keys()):
        yield f"fills {name}, which is no filter of events{one_of(name, FILTER_COLUMNS)}"
    yield from _misnamed_keys(event)


def _misnamed_keys(event: Event) -> Iterator[str]:
    for name, key in event.keys.items():
        if name not in event.properties:
            yield f"has a key for {name}, which is none of its properties{meant(name, event.properties)}"
        if not _KEY.fullmatch(key):
            yield f"has the key {key!r} for {name}: quotes, brackets, \\, ?, * and control characters cannot be asked for"
