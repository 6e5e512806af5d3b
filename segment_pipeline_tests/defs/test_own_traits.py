"""A company's own traits as assets: one for each set, and a set that fails stops the segments that read it, no others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.definitions import build_definitions
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.traits.sets import forget
from segment_pipeline.segments.rules import Rule, Segment, any_of, did, member_of, trait
from segment_pipeline.settings import Settings
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.conftest import arrow_rows

D = date(2017, 12, 31)


def company(query: str) -> Catalogue:
    def segment(name: str, where: Rule) -> Segment:
        return Segment(name, owner="team:crm", goal="orders", description="d", where=where)

    twice = Trait.sql("twice", "BIGINT", "in a test", query=query, null="", owner="team:crm")
    return Catalogue(
        sources=(),
        destinations=(),
        segments=(
            segment("ours", trait("orders_total") >= 2),
            segment("theirs", trait("twice") >= 4),
            segment("leaning", any_of(member_of("theirs"), did("visit"))),
        ),
        trait_sets=(TraitSet("crm", (twice,)),),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A lake in which the core traits of one day are made."""
    made = Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path), "SEGMENT_PIPELINE_START": "2017-12-30"})
    with Lake.open(made).session() as session:
        people = [{"as_of": D, "profile_id": who, "orders_total": n} for who, n in (("ann", 1), ("bob", 2))]
        records = [
            {"as_of": D, "source": "till", "entity": "customer", "record_key": p["profile_id"], "profile_id": p["profile_id"]}
            for p in people
        ]  # fmt: skip
        for name, rows in (("traits", people), ("identities", records)):
            session.register("literal_rows", arrow_rows(name, rows))
            session.append(name, "SELECT * FROM literal_rows")
    yield made
    forget()


def run(catalogue: Catalogue, settings: Settings) -> tuple[set[str], set[str]]:
    """The assets a run of own traits and segments of the day materialised, and the steps that failed."""
    defs = build_definitions(catalogue, settings)
    keys = [
        spec.key
        for spec in defs.resolve_all_asset_specs()
        if spec.key.path[0] == "segments" or spec.key.path[-1] == "traits_crm"
    ]
    job = defs.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            partition_key=D.isoformat(), asset_selection=keys, instance=instance, raise_on_error=False
        )
        failed = {event.step_key or "" for event in result.all_events if event.is_step_failure}
        made = {
            event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key
        }
    return made, failed


def test_own_traits_are_made_before_the_segments_that_read_them(settings: Settings) -> None:
    made, failed = run(company("orders_total * 2"), settings)
    assert not failed
    assert made == {"profiles/traits_crm", "segments/ours", "segments/theirs", "segments/leaning"}
    with Lake.open(settings).session() as session:
        session.scan("memberships")
        rows = session.rows("SELECT segment, profile_id FROM memberships ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == [("leaning", "bob"), ("ours", "bob"), ("theirs", "bob")]


def test_a_set_that_fails_stops_the_segments_that_read_it_and_no_others(settings: Settings) -> None:
    made, failed = run(company("CAST('x' || orders_total AS BIGINT)"), settings)
    assert failed == {"traits_crm"}
    assert made == {"segments/ours"}


def test_a_mistake_in_a_rule_fails_its_asset_and_no_other(settings: Settings) -> None:
    catalogue = company("orders_total * 2")
    wrong: Any = did
    mistaken = [
        replace(catalogue.segments[0], name="hasty", where=wrong("order", withn=7)),
        replace(catalogue.segments[0], name="leans", where=member_of("hasty")),
    ]
    made, failed = run(replace(catalogue, segments=(*catalogue.segments, *mistaken)), settings)
    assert failed == {"segments"}
    assert made == {"profiles/traits_crm", "segments/ours", "segments/theirs", "segments/leaning"}
