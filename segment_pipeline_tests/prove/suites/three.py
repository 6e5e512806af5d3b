"""Random histories in which declaration, memory and tool each change: 0 wrong members after the next run, or a reason why not."""

from pathlib import Path

from segment_pipeline_tests.audiences.three import converges
from segment_pipeline_tests.prove.suite import Suite, standing_still

EXAMPLES = 20


def prove(seed: int, folder: Path) -> int:
    with standing_still():
        for number in range(EXAMPLES):
            converges(folder / str(number), seed * EXAMPLES + number)
    return EXAMPLES


SUITE = Suite(
    "Whichever of declaration, memory and tool changes, an audience is right or says why not.",
    range(100),
    prove,
    units="histories",
)
