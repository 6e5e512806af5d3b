"""Stages no company needs, on which the harness is tested; apart from the tests, so that their processes import little."""

from segment_pipeline_tests.benchmarks.company import Company
from segment_pipeline_tests.benchmarks.stage import Stage, nothing


def _fails(company: Company) -> int:
    raise ValueError("out of luck")


def _one(company: Company) -> int:
    return 1


def _two(company: Company) -> int:
    return 2


FAILS = Stage("fails", nothing, _fails)
DIFFERS = Stage("differs", nothing, _one, _two)
STAGES = (FAILS, DIFFERS)
