"""What is wrong with segments that work: too small, too alike, suddenly smaller, overdue for review, too finely cut, or of unheard words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Literal

from segment_pipeline.algebra.nodes import AllOf
from segment_pipeline.algebra.parts import Rule
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.unheard import unheard

Kind = Literal["small", "dip", "overlap", "review", "persona", "unheard"]

PERSONA_CRITERIA = 3
HISTORY = 7
DIP_SHARE = 0.5
DIP_PEOPLE = 20
OVERLAP = 0.9


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. `message`: what is the matter and what to do, without the segment's name."""

    segment: str
    kind: Kind
    message: str


def findings(lake: Lake, segments: Sequence[Segment], as_of: date | None = None) -> list[Finding]:
    """Findings of the newest day up to `as_of` that has sizes (None: of all); those of the declarations and of the products held alone when none has."""
    found = [finding for segment in segments for finding in _declared(segment)]
    with lake.session() as session:
        found += [Finding(name, "unheard", text) for name, text in unheard(session, segments)]
        session.scan("segment_sizes", alias="sizes_held")
        rows = session.rows("SELECT as_of, segment, definition_hash, size FROM sizes_held ORDER BY segment, as_of")
        rows = [row for row in rows if as_of is None or row["as_of"] <= as_of]
        if not rows:
            return found
        day = max(row["as_of"] for row in rows)
        by_name = {segment.name: segment for segment in segments}
        sizes = {row["segment"]: int(row["size"]) for row in rows if row["as_of"] == day and row["segment"] in by_name}
        for name, size in sizes.items():
            history = [row for row in rows if row["segment"] == name]
            found += _sized(by_name[name], size, day)
            found += _dipped(
                name, size, [row for row in history if row["definition_hash"] == history[-1]["definition_hash"]][:-1]
            )
        found += _alike(session, sizes, day)
    return found


def _declared(segment: Segment) -> list[Finding]:
    criteria = len(first_level(segment.where))
    if segment.persona and criteria > PERSONA_CRITERIA:
        text = f"a persona of {criteria} criteria: describe it by {PERSONA_CRITERIA} or fewer"
        return [Finding(segment.name, "persona", text)]
    return []


def first_level(rule: Rule) -> tuple[Rule, ...]:
    """The criteria a rule names at its first level: the terms of its all_of, or itself."""
    return rule.rules if isinstance(rule, AllOf) else (rule,)


def _sized(segment: Segment, size: int, day: date) -> list[Finding]:
    found = []
    if size < segment.minimum_size:
        text = f"has {size} members, fewer than the {segment.minimum_size} it needs to be worth a message: widen it or retire it"
        found.append(Finding(segment.name, "small", text))
    if segment.review_on is not None and day >= segment.review_on:
        found.append(
            Finding(
                segment.name, "review", f"was to be reviewed on {segment.review_on}: do so and set a later review_on"
            )
        )
    return found


def _dipped(name: str, size: int, before: Sequence[Mapping[str, object]]) -> list[Finding]:
    recent = [int(str(row["size"])) for row in before[-HISTORY:]]
    if len(recent) < 3:
        return []
    usual = median(recent)
    if size >= usual * DIP_SHARE or usual - size < DIP_PEOPLE:
        return []
    text = f"fell to {size} members from a usual {usual:g}: see whether a source is late before anything is sent"
    return [Finding(name, "dip", text)]


def _alike(session: Session, sizes: Mapping[str, int], day: date) -> list[Finding]:
    session.scan("memberships", partitions={"as_of": [day]}, alias="members_held")
    found = []
    for row in session.rows(statement("segments", "overlaps"), share=OVERLAP):
        if row["one"] in sizes and row["other"] in sizes:
            text = f"shares {row['share']:.0%} of its people with {row['other']}: one of the two may be enough"
            found.append(Finding(row["one"], "overlap", text))
    return found
