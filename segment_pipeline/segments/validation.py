"""Judges declared segments before anything runs: every mistake at once, each with the file and line of its segment."""

import re
from collections.abc import Iterator, Mapping, Sequence

from segment_pipeline.algebra.spelling import meant
from segment_pipeline.algebra.trees import looked_back_at, references
from segment_pipeline.goals import NAME as GOAL
from segment_pipeline.segments.judging import Judge
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.vocabulary import Vocabulary

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
OWNER = re.compile(r"team:[\w-]+|[^@\s]+@[^@\s]+")


def validate(segments: Sequence[Segment], known: Vocabulary | None = None) -> list[str]:
    """What is wrong with the segments, one sentence each, beginning with the file:line of the literal; empty: nothing."""
    return [problem for found in problems(segments, known).values() for problem in found]


def problems(segments: Sequence[Segment], known: Vocabulary | None = None) -> dict[str, list[str]]:
    """The same by segment; a segment that refers to a wrong one is named as well. Only segments with problems are keys."""
    known = known or Vocabulary()
    judge = Judge(known)
    by_name = {segment.name: segment for segment in segments}
    found: dict[str, list[str]] = {}
    for segment in segments:
        texts = [*segment.mistakes.values()]
        # What is not there at all, or no text, was said with that.
        texts += [text for field, text in _head(segment, known) if field not in segment.mistakes]
        texts += [*judge.told(segment), *_links(segment, by_name)]
        if texts:
            found.setdefault(segment.name, []).extend(_said(segment, text) for text in dict.fromkeys(texts))
    for segment, text in _unnamed(segments):
        found.setdefault(segment.name, []).append(_said(segment, text))
    _spread(by_name, found)
    found |= _contradicting(by_name, found, known)
    _spread(by_name, found)
    return found


def unnamed(segments: Sequence[Segment]) -> list[str]:
    """Those problems that are not one segment's alone: it has no name by which anything could be made or left out."""
    return [_said(segment, text) for segment, text in _unnamed(segments)]


def _said(segment: Segment, text: str) -> str:
    return f"{segment.place}: segment {segment.name} {text}"


def _unnamed(segments: Sequence[Segment]) -> Iterator[tuple[Segment, str]]:
    seen: set[str] = set()
    for segment in segments:
        if not NAME.fullmatch(segment.name):
            yield segment, "has a name that is not lower case letters, digits and underscores"
        elif segment.name in seen:
            yield segment, "is declared a second time: rename one"
        seen.add(segment.name)


def _spread(by_name: Mapping[str, Segment], found: dict[str, list[str]]) -> None:
    # What leans on a wrong segment cannot be trusted either.
    leaning = {name: names for name, one in by_name.items() if name not in found and (names := references(one.where))}
    while wrong := {name: min(names & found.keys()) for name, names in leaning.items() if names & found.keys()}:
        for name, other in wrong.items():
            found[name] = [f"{by_name[name].place}: segment {name} refers to segment {other}, which is wrong itself"]
            del leaning[name]


def _contradicting(
    by_name: Mapping[str, Segment], found: Mapping[str, list[str]], known: Vocabulary
) -> dict[str, list[str]]:
    """What is right by itself, and contradicts what it refers to."""
    sound = {name: segment for name, segment in by_name.items() if name not in found}
    judge = Judge(known, sound)
    wrong = {
        name: [_said(segment, text) for text in texts]
        for name, segment in sound.items()
        if references(segment.where) and (texts := [*judge.told(segment)])
    }
    # Of those that lean on each other, the first is the one to mend.
    return {name: texts for name, texts in wrong.items() if not references(by_name[name].where) & wrong.keys()}


def _head(segment: Segment, known: Vocabulary) -> Iterator[tuple[str, str]]:
    if not OWNER.fullmatch(segment.owner):
        yield "owner", "has no owner of the form team:name or an e-mail address"
    if not segment.goal.strip():
        yield "goal", "has no goal: name the measure it is judged by"
    elif not GOAL.fullmatch(segment.goal):
        yield "goal", f"has the goal {segment.goal!r}: write a name of letters, digits, _, - and ., at most 63"
    elif known.goals and segment.goal not in known.goals:
        yield "goal", f"has the goal {segment.goal}, which nobody declares{meant(segment.goal, known.goals)}"
    if not segment.description.strip():
        yield "description", "has no description"
    if segment.minimum_size < 0:
        yield "minimum_size", "has a negative minimum_size"


def _links(segment: Segment, by_name: Mapping[str, Segment]) -> Iterator[str]:
    for name in sorted((references(segment.where) | looked_back_at(segment.where)) - by_name.keys()):
        yield f"refers to segment {name}, which is not declared{meant(name, by_name)}"
    reached: set[str] = set()
    open_names = sorted(references(segment.where))
    while open_names:
        name = open_names.pop()
        if name == segment.name:
            yield "refers to itself, directly or through other segments: take one reference out"
            return
        if name in by_name and name not in reached:
            reached.add(name)
            open_names += sorted(references(by_name[name].where))
