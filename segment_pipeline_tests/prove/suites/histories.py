"""Random histories of companies and crashes: whatever happened before, one undisturbed sync ends right."""

from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import given

from segment_pipeline_tests.audiences.histories import HISTORIES, converges
from segment_pipeline_tests.audiences.tool import KINDS
from segment_pipeline_tests.prove.suite import Suite, examples, standing_still

EXAMPLES = 30


def prove(seed: int, folder: Path) -> int:
    kind, numbers = list(KINDS)[seed % len(KINDS)], count()

    @given(history=HISTORIES)
    def holds(history: dict[str, Any]) -> None:
        converges(folder / str(next(numbers)), kind, **history)

    with standing_still():
        return examples(holds, seed, EXAMPLES)


SUITE = Suite("Random histories with random crashes converge.", range(100), prove, units="histories")
