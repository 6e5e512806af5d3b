"""What stages read and others make: made in a company's home unless it is there, so that each stage can run alone."""

from segment_pipeline.profiles import build
from segment_pipeline_tests.benchmarks.company import IDENTITY, Company


def with_identities(company: Company) -> None:
    if not company.lake.snapshots("identities"):
        build.identities(company.lake, company.as_of, company.settings, IDENTITY)


def with_traits(company: Company) -> None:
    with_identities(company)
    if not company.lake.snapshots("traits"):
        build.traits(company.lake, company.as_of, company.settings, identity_rules=IDENTITY)
