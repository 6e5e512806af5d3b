"""An event of a company's own, as a literal: its name, and the properties rules may ask about. Declares only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from segment_pipeline.literals import TEXT, TEXTS, TEXTS_BY_NAME, expect, written

# What a property's value may be in a rule; the lake keeps properties as JSON.
PROPERTY_TYPES: Final = ("VARCHAR", "BOOLEAN", "BIGINT", "DOUBLE", "DATE")


@dataclass(frozen=True)
class Event:
    """An event by the name it lands under. `properties`: types by the name rules say, which is the key of the event's JSON properties unless
    `keys` says another one: `{"plan_type": "plan type"}`.

    A property that an event does not have, or has as something else than its type, meets no rule. `fills`: of an event by one of
    our names, the filters (`category`, `product`, …) that the company's sources fill of it beside those that are usual.
    """

    name: str
    properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    description: str = ""
    keys: Mapping[str, str] = field(default_factory=dict, hash=False)
    fills: tuple[str, ...] = ()
    place: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", written())
        expect(
            self.place,
            f"event {self.name}",
            name=(self.name, TEXT),
            properties=(self.properties, TEXTS_BY_NAME),
            description=(self.description, TEXT),
            keys=(self.keys, TEXTS_BY_NAME),
            fills=(self.fills, TEXTS),
        )
