"""What a company declares about one audience: who, to which tool, for which purpose, within which bounds.

Holds declarations only; who may be sent is `eligibility`'s business.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from segment_pipeline.errors import ConfigError
from segment_pipeline.literals import (
    NUMBER,
    TEXT,
    TEXTS_BY_NAME,
    WHOLE,
    YES_OR_NO,
    expect,
    listed,
    made_of,
    or_none,
    written,
)

MARKETING = "marketing"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A trait sent along with each member. An unknown value is left out, so that what the tool holds stays.

    `field`: the tool's name for it. `clears`: an unknown value is sent as null and empties the tool's field.
    """

    trait: str
    field: str
    clears: bool = False

    def __post_init__(self) -> None:
        expect(written(), f"attribute {self.trait}", trait=(self.trait, TEXT), field=(self.field, TEXT))


@dataclass(frozen=True, slots=True)
class Holdout:
    """A share of the eligible people who are not sent, drawn once per person and kept for the life of the experiment."""

    experiment: str
    share: float

    def __post_init__(self) -> None:
        expect(written(), f"holdout {self.experiment}", experiment=(self.experiment, TEXT), share=(self.share, NUMBER))
        if not 0 <= self.share <= 1:
            raise ConfigError(f"experiment {self.experiment}: a holdout's share lies between 0 and 1")


@dataclass(frozen=True, slots=True)
class Priority:
    """A person is in at most one audience of a group: the one with the smallest rank that may send to them."""

    group: str
    rank: int

    def __post_init__(self) -> None:
        expect(written(), f"priority {self.group}", group=(self.group, TEXT), rank=(self.rank, WHOLE))


@dataclass(frozen=True, slots=True)
class Guards:
    """What stops a plan before anything is sent. Shares are of the keys held before; both halves of a pair must be exceeded.

    Up to `removal_keys` are an ordinary day: so many may leave whatever their share, and an audience that held no more may become
    empty. `allow_empty`: so may a larger one.
    `minimum`: smallest audience worth or fit to send; None: the destination's `minimum_size`.
    """

    removal_share: float = 0.20
    removal_keys: int = 20
    large_removal_share: float = 0.05
    large_removal_keys: int = 500
    allow_empty: bool = False
    minimum: int | None = None

    def __post_init__(self) -> None:
        expect(
            written(),
            "guards",
            removal_share=(self.removal_share, NUMBER),
            removal_keys=(self.removal_keys, WHOLE),
            large_removal_share=(self.large_removal_share, NUMBER),
            large_removal_keys=(self.large_removal_keys, WHOLE),
            allow_empty=(self.allow_empty, YES_OR_NO),
            minimum=(self.minimum, or_none(WHOLE)),
        )


@dataclass(frozen=True, slots=True)
class SegmentToday:
    """What the catalogue says today of an audience's segment: the hash of its definition, and the message of its members."""

    definition: str
    message: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audience:
    """One segment kept in one tool.

    `destination`: name of a declared destination. `channel`, `purpose`: the consent it needs.
    `limit`: the most people to send; None: all. `attributes`: traits sent along, for tools that take them.
    `owned`: nobody else writes to the remote audience, so a count that differs from ours is reported.
    `remote_name`: what the tool is to call it; None: `name`. Ad platforms flag names that hint at health or money, so their
    connectors make a neutral one of it.
    `message_names`: what the tool is to call the parts of the segment's message; one that is not named keeps its own name.
    `max_age_hours`: how old memberships may be, counted from the end of their day; None: `settings.fresh_hours`.
    """

    name: str
    segment: str
    destination: str
    channel: str
    owner: str
    purpose: str = MARKETING
    priority: Priority | None = None
    limit: int | None = None
    holdout: Holdout | None = None
    attributes: Sequence[Attribute] = ()
    owned: bool = False
    remote_name: str | None = None
    guards: Guards = field(default_factory=Guards)
    max_age_hours: int | None = None
    message_names: Mapping[str, str] = field(default_factory=dict, hash=False)
    today: SegmentToday | None = field(default=None, compare=False, repr=False)  # the catalogue fills it in

    def __post_init__(self) -> None:
        expect(
            written(),
            f"audience {self.name}",
            **{
                name: (getattr(self, name), TEXT)
                for name in ("name", "segment", "destination", "channel", "owner", "purpose")
            },
            priority=(self.priority, or_none(made_of(Priority))),
            limit=(self.limit, or_none(WHOLE)),
            holdout=(self.holdout, or_none(made_of(Holdout))),
            guards=(self.guards, made_of(Guards)),
            max_age_hours=(self.max_age_hours, or_none(WHOLE)),
            owned=(self.owned, YES_OR_NO),
            remote_name=(self.remote_name, or_none(TEXT)),
            attributes=(self.attributes, listed(Attribute, "attributes")),
            message_names=(self.message_names, TEXTS_BY_NAME),
        )
        if not NAME.fullmatch(self.name):
            raise ConfigError(
                f"audience {self.name!r}: a name is lower-case letters, digits and _, and starts with a letter"
            )
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"audience {self.name}: a limit is at least 1")
        if len({attribute.field for attribute in self.attributes}) != len(self.attributes):
            raise ConfigError(f"audience {self.name} maps two traits to one field: rename one")

    @property
    def message(self) -> dict[str, str]:
        """The segment's message under the tool's names, the same for every member; only for tools that take attributes."""
        said = self.today.message if self.today else {}
        return {self.message_names.get(name, name): value for name, value in said.items()}

    @property
    def remote(self) -> str:
        """The name a destination is asked for."""
        return self.remote_name or self.name


def in_priority_order(audiences: Iterable[Audience]) -> list[Audience]:
    """Audiences so that each comes after those of its group that claim people first; raises ConfigError for clashes."""
    listed = list(audiences)
    names = [audience.name for audience in listed]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two audiences are named {twice[0]}: rename one")
    ranks = [(a.priority.group, a.priority.rank) for a in listed if a.priority]
    if clashes := sorted({rank for rank in ranks if ranks.count(rank) > 1}):
        raise ConfigError(f"two audiences of priority group {clashes[0][0]} have rank {clashes[0][1]}: change one")
    return sorted(listed, key=lambda a: (a.priority.group, a.priority.rank) if a.priority else ("", 0))


def claimants(audience: Audience, audiences: Iterable[Audience]) -> list[Audience]:
    """The audiences that claim people before this one, first claim first."""
    own = audience.priority
    if own is None:
        return []
    return in_priority_order(
        a for a in audiences if a.priority and a.priority.group == own.group and a.priority.rank < own.rank
    )
