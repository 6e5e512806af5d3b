"""Twelve shoppers, and what is done with their audience."""

from dataclasses import replace
from typing import Any

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.reconcile import reconcile
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.retire import retire, see_to_left
from segment_pipeline.delivery.destination import Destination
from segment_pipeline_tests.audiences.world import LATER, Person, World, audience

PEOPLE = [Person(f"p{i}", f"p{i}@shop.test", f"+1202555{i:04d}" if i % 2 else None) for i in range(12)]
WANTED = {(p.email, p.phone) for p in PEOPLE}
OWN = audience(owned=True)


def denied(world: World, *ids: str) -> None:
    """The company as before, these people's consent withdrawn."""
    world.people([replace(p, consent=False, said=LATER) if p.profile_id in ids else p for p in PEOPLE])


def left(world: World, *declared: Audience, tools: dict[str, Destination], **options: Any) -> list[SyncReport]:
    return see_to_left(world.round(declared, tools), **options)


def again(world: World, who: Audience, tool: Destination, **options: Any) -> list[SyncReport]:
    tools = {who.destination: tool}
    return reconcile(world.round([who], tools), who.name, **options)


def ended(world: World, tool: Destination, how: str, *declared: Audience, **options: Any) -> list[SyncReport]:
    return retire(world.round(declared, {"tool": tool}), "shoppers", how, **options)
