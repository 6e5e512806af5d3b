"""The same traits with little memory: the engine spills to disk, the peak stays near the limit."""

from dataclasses import replace

from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles import build
from segment_pipeline_tests.benchmarks.company import IDENTITY, Company
from segment_pipeline_tests.benchmarks.prepared import with_identities
from segment_pipeline_tests.benchmarks.stage import Stage

LITTLE = "500MB"


def traits_in_little_memory(company: Company) -> int:
    settings = replace(company.settings, memory=LITTLE)
    build.traits(Lake.open(settings), company.as_of, settings, identity_rules=IDENTITY)
    return sum(company.rows.values())


STAGES = (Stage(f"traits-in-{LITTLE}", with_identities, traits_in_little_memory),)
