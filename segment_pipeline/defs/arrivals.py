"""Files that arrive between the nights: a sensor per source that has any lands them once they are whole."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import dagster as dg

from segment_pipeline.defs.ingest import entity_key, has_days
from segment_pipeline.errors import SegmentPipelineError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing import extracts
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.source import Entity, Source
from segment_pipeline.settings import Settings

# What is known of a file without reading it; two equal looks in a row, and nobody is writing it.
Look = dict[str, list[str]]


@runtime_checkable
class Arriving(Protocol):
    """A source that can say, without reading them, which files a landing would read."""

    @property
    def entities(self) -> tuple[Entity, ...]: ...

    def waiting(self, entity: str, held: Mapping[str, Extract]) -> Sequence[object]:
        """Files that are new or changed since they were landed, as they are listed: equal while nobody touches them."""


def sensors(
    sources: Mapping[str, Source], settings: Settings, days: dg.DailyPartitionsDefinition
) -> list[dg.SensorDefinition]:
    """One per source that files arrive at. Starts running; it lands, and sends nothing."""
    return [_sensor(name, source, settings, days) for name, source in sources.items() if isinstance(source, Arriving)]


def _sensor(name: str, source: Arriving, settings: Settings, days: dg.DailyPartitionsDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{name}_arrivals",
        asset_selection=[entity_key(name, entity.name) for entity in source.entities],
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Lands files of {name} that are new or changed, once two looks in a row find them the same",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        newest = days.get_last_partition_key()
        if newest is None:
            return dg.SkipReason("no day is complete yet")
        before: Look = json.loads(context.cursor) if context.cursor else {}
        try:
            now = {entity.name: _look(name, source, entity, settings) for entity in source.entities}
        except SegmentPipelineError as error:
            # Our own sentence; the next tick looks again.
            return dg.SkipReason(str(error))
        requests = list(_requests(name, source.entities, before, now, newest))
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(now))

    return sensor


def _look(name: str, source: Arriving, entity: Entity, settings: Settings) -> list[str]:
    held = extracts.held(Lake.open(settings), name, entity.name)
    return [str(each) for each in source.waiting(entity.name, held)]


def _requests(name: str, entities: Sequence[Entity], before: Look, now: Look, newest: str) -> Iterator[dg.RunRequest]:
    for entity in entities:
        whole = [each for each in now[entity.name] if each in before.get(entity.name, ())]
        if whole:
            seen = hashlib.sha256("\n".join(whole).encode()).hexdigest()[:16]
            yield dg.RunRequest(
                run_key=f"{name}/{entity.name}:{seen}",
                asset_selection=[entity_key(name, entity.name)],
                partition_key=newest if has_days(entity) else None,
            )
