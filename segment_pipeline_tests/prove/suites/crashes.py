"""Kills of the real process at random steps of a sync, the desired set changed in between, and of renaming, retiring and
reconciling: nobody lost, extra or stranded."""

from pathlib import Path
from random import Random

from segment_pipeline_tests.audiences.histories import (
    CHANGES,
    ENDINGS,
    ends_right_after_kills,
    finishes_after_kills,
    lose_ledger,
    started,
    steps_of,
)
from segment_pipeline_tests.audiences.tool import KINDS
from segment_pipeline_tests.prove.suite import Suite, standing_still

KILLS, OTHERS = 10, 5


def prove(seed: int, folder: Path) -> int:
    random, start = Random(seed), folder / "start"
    kind = list(KINDS)[seed % len(KINDS)]
    with standing_still():
        started(start, kind)
        steps = random.sample(range(1, steps_of(start, kind) + 1), KILLS)
        done = ends_right_after_kills(start, kind, [(at, random.choice(list(CHANGES))) for at in steps])
        what = random.choice(list(ENDINGS))
        if what == "reconcile":
            lose_ledger(start)
        others = random.sample(range(1, steps_of(start, kind, what) + 1), OTHERS)
        return done + finishes_after_kills(start, kind, what, others)


SUITE = Suite("What is killed at any step ends right when it is run again.", range(100), prove, units="kills")
