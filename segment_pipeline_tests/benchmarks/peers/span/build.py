"""Our build of the shop: identities, traits with percentiles, segments; each stage as its asset calls it."""

from pathlib import Path
from time import perf_counter
from typing import Any

from segment_pipeline.algebra.parts import Rule
from segment_pipeline.profiles import build as profiles
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import Segment, all_of, any_of, trait
from segment_pipeline_tests.benchmarks.peers.lakes import lake_of, settings_of
from segment_pipeline_tests.benchmarks.peers.span.shop import as_of

# The segments of the peer's configuration; a categorical one of three labels is three segments here.
WHERE: dict[str, Rule] = {
    "recent_buyers": trait("spend_90d") > 0,
    "newly_seen": trait("visits_7d") > 0,
    "dormant": all_of(trait("orders_total") > 0, trait("days_since_last_order") > 180),
    "frequent_visitors": trait("visits_30d") >= 4,
    "idle_visitors": all_of(trait("visits_30d") > 0, trait("orders_90d") == 0),
    "power_or_active": trait("activity_stage").isin("power", "active"),
    "inactive": trait("activity_stage") == "inactive",
    "loyal": any_of(trait("loyalty_stage") == "loyal", trait("loyalty_stage") == "vip"),
    **{f"value_{tier}": trait("value_tier") == tier for tier in ("top", "mid", "low")},
    **{f"lifetime_{tier}": trait("value_tier_lifetime") == tier for tier in ("top", "mid", "low")},
}
SEGMENTS = [
    Segment(name, owner="team:crm", goal="orders", description=name.replace("_", " "), where=where)
    for name, where in WHERE.items()
]


def build(home: Path) -> dict[str, Any]:
    """All three stages of one day; seconds by stage, and counts."""
    lake, settings = lake_of(home), settings_of(home)
    began = perf_counter()
    people = profiles.identities(lake, as_of(), settings)
    resolved = perf_counter()
    profiles.traits(lake, as_of(), settings)
    measured = perf_counter()
    report = build_memberships(lake, as_of(), SEGMENTS, settings)
    ended = perf_counter()
    if report.failed:
        raise ValueError(f"segments failed: {report.failed}")
    return {
        "work": ended - began,
        "identities": resolved - began,
        "traits": measured - resolved,
        "segments": ended - measured,
        "profiles": people.profiles,
    }


def identities(home: Path) -> dict[str, Any]:
    """The first stage alone."""
    began = perf_counter()
    report = profiles.identities(lake_of(home), as_of(), settings_of(home))
    return {"work": perf_counter() - began, "profiles": report.profiles}
