"""Random people of two vendors: traits, shares and segments are what a plain reading of the vendors' answers says, to the cent."""

from pathlib import Path

from segment_pipeline_tests.money.agreement import agree
from segment_pipeline_tests.prove.suite import Suite

PEOPLE = 1000


def prove(seed: int, folder: Path) -> int:
    agree(folder, seed, PEOPLE)
    return PEOPLE


SUITE = Suite("What people spent and keep is what the vendors' answers say.", range(2, 42), prove, units="people")
