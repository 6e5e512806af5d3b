"""What segments are to move: goals of a company, each with the words that say how it is measured. Declares only."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from segment_pipeline.literals import TEXT, expect, repeated, written

# What Dagster takes as the value of a tag, which a goal is of its segments' assets.
NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal by the name segments say. `measure`: what is counted, of whom and over which days, in words."""

    name: str
    measure: str
    place: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", written())
        expect(self.place, f"goal {self.name}", name=(self.name, TEXT), measure=(self.measure, TEXT))


def goal_problems(goals: Sequence[Goal]) -> Iterator[str]:
    """What is wrong with a company's goals, one sentence each."""
    yield from repeated(goals, "goal", "declare it once")
    for goal in goals:
        if not NAME.fullmatch(goal.name):
            yield f"{goal.place}: goal {goal.name!r} has no usable name: letters, digits, _, - and ., at most 63"
        if not goal.measure.strip():
            yield f"{goal.place}: goal {goal.name} has no measure: say what is counted, of whom and over which days"
