"""The whole way from the facts to a plan: identity, traits, twenty segments, the plan of an audience."""

import shutil

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import plan_only
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.profiles import build
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.starter.segments.all import STARTER_SEGMENTS
from segment_pipeline_tests.benchmarks.company import IDENTITY, VOCABULARY, Company
from segment_pipeline_tests.benchmarks.stage import Stage

SEGMENTS = STARTER_SEGMENTS[:20]
AUDIENCE = Audience("recent_buyers", "recent_buyers", "files", "ads", "team:ads")


def cleared(company: Company) -> None:
    shutil.rmtree(company.root / "whole", ignore_errors=True)


def whole(company: Company) -> int:
    """In a home of its own, so that nothing made before is there."""
    own = company.borrowed(company.root / "whole")
    lake, settings = own.lake, own.settings
    build.identities(lake, own.as_of, settings, IDENTITY)
    build.traits(lake, own.as_of, settings, identity_rules=IDENTITY)
    report = build_memberships(
        lake, own.as_of, STARTER_SEGMENTS, settings, selected=[s.name for s in SEGMENTS], vocabulary=VOCABULARY
    )
    assert not report.failed, report.failed
    destinations = {"files": HashedFiles(directory=str(own.root / "files"))}
    (planned,) = plan_only(Round(lake, Ledger.open(settings.ledger), [AUDIENCE], destinations, settings))
    assert planned.desired > 0, planned
    return sum(own.rows.values())


STAGES = (Stage("pipeline", cleared, whole),)
