"""Sets of values something about a person may have: ranges of whatever has an order, and whether it may be unknown."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

# A value's place in order, just before it (-1), it, or just after it (1); and what is before and after all.
Edge = tuple[Any, ...]
Range = tuple[Edge, Edge]
LOWEST: Final[Edge] = (-1,)
HIGHEST: Final[Edge] = (1,)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Values something may have, as ranges in order that share nothing, both ends included; `unknown`: it may be not known."""

    ranges: tuple[Range, ...]
    unknown: bool = False

    def __bool__(self) -> bool:
        return bool(self.ranges) or self.unknown

    def __and__(self, other: "Ranges") -> "Ranges":
        # Side by side, as both are in order: lists of names have thousands.
        found, mine, others = [], 0, 0
        while mine < len(self.ranges) and others < len(other.ranges):
            (a, b), (c, d) = self.ranges[mine], other.ranges[others]
            low, high = max(a, c), min(b, d)
            if low <= high:
                found.append((low, high))
            if b < d:
                mine += 1
            else:
                others += 1
        return Ranges(tuple(found), self.unknown and other.unknown)

    def less(self, other: "Ranges") -> "Ranges":
        """What is in this and not in the other."""
        return Ranges((self & Ranges(outside(other.ranges))).ranges, self.unknown and not other.unknown)


def common(sets: Sequence[Ranges]) -> Ranges:
    """What is in all of the sets, which are one or more: halves first, so that many sets of few ranges stay few."""
    if len(sets) == 1:
        return sets[0]
    half = len(sets) // 2
    return common(sets[:half]) & common(sets[half:])


def anything(*, unknown: bool) -> Ranges:
    return Ranges(((LOWEST, HIGHEST),), unknown)


def points(values: Iterable[Any]) -> tuple[Range, ...]:
    return tuple((at(value), at(value)) for value in sorted(values))


def at(value: Any) -> Edge:
    return (0, value, 0)


def before(edge: Edge) -> Edge:
    return (0, edge[1], edge[2] - 1)


def after(edge: Edge) -> Edge:
    return (0, edge[1], edge[2] + 1)


def outside(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """All that is in none of the ranges."""
    found, first = [], LOWEST
    for low, high in ranges:
        if low != LOWEST and first <= before(low):
            found.append((first, before(low)))
        if high == HIGHEST:
            return tuple(found)
        first = after(high)
    return (*found, (first, HIGHEST))


def steps(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """The ranges of whole steps, each from a step to a step."""
    found = []
    for low, high in ranges:
        first = low if low == LOWEST else at(math.ceil(low[1]) if low[2] == 0 else math.floor(low[1]) + 1)
        last = high if high == HIGHEST else at(math.floor(high[1]) if high[2] == 0 else math.ceil(high[1]) - 1)
        if first <= last:
            found.append((first, last))
    return tuple(found)
