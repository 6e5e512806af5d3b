"""The job `refresh` as tasks: each source by itself, then people, traits and segments of the days asked for."""

from collections.abc import Iterator
from datetime import timedelta

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.days import Window
from segment_pipeline.defs import ingest, people, segments
from segment_pipeline.settings import Settings
from segment_pipeline.tasks import Task

JOB = "refresh"
# A run of several days reads the facts once for all of them: of fewer than these that is not worth its while.
LEAST_DAYS = 4


def refresh_tasks(
    catalogue: Catalogue, settings: Settings, *, landed: Window, derived: Window, at_once: int = 1
) -> list[Task]:
    """Each source for the days of `landed`, all else for those of `derived`, in an order that can be kept.

    Sources do not wait for each other. With more than one task at once the days of `derived` are cut into parts, so that
    while the traits of one are computed those after it are resolved and those before it evaluated.
    """
    tasks = [
        Task(source.name, JOB, tuple(ingest.entity_key(source.name, entity.name) for entity in source.entities), landed)
        for source in catalogue.enabled_sources(settings).values()
    ]
    sources = frozenset(range(len(tasks)))
    # In one run: a set of the company's own traits that fails stops the segments that read it alone.
    last = [
        *(people.own_traits_key(one.name) for one in catalogue.trait_sets),
        *(segments.segment_key(one.name) for one in catalogue.segments),
    ]
    before: list[int] = []
    for days in _parts(derived, at_once):
        first = len(tasks)
        # Aliases are one table, and a rule may ask who was a member the day before: parts of one kind wait for each other.
        waits = [sources, frozenset({first}), frozenset({first + 1})]
        waits = [wait | frozenset(before[at : at + 1]) for at, wait in enumerate(waits)]
        tasks.append(Task("identity", JOB, (people.IDENTITIES,), days, waits[0]))
        tasks.append(Task("traits", JOB, (people.TRAITS,), days, waits[1]))
        if last:
            tasks.append(Task("segments", JOB, tuple(last), days, waits[2]))
        before = list(range(first, len(tasks)))
    return tasks


def _parts(days: Window, at_once: int) -> Iterator[Window]:
    size = len(days) if at_once == 1 else max(LEAST_DAYS, -(-len(days) // (2 * at_once)))
    first = days.first
    while first <= days.last:
        last = min(first + timedelta(days=size - 1), days.last)
        yield Window(first, last)
        first = last + timedelta(days=1)
