"""A suite for the tests of the harness: it writes down the seeds it is asked, and fails or hangs at those it is told."""

import os
import subprocess
import time
from pathlib import Path

from segment_pipeline_tests.prove.suite import Suite


def prove(seed: int, folder: Path) -> int:
    assert not list(folder.iterdir())
    with Path(os.environ["PROVE_TRIED"]).open("a", encoding="utf-8") as tried:
        tried.write(f"{seed}\n")
    if str(seed) == os.environ.get("PROVE_HANGS"):
        child = subprocess.Popen(["sleep", "600"])
        Path(os.environ["PROVE_TRIED"]).with_suffix(".pid").write_text(str(child.pid), encoding="utf-8")
        time.sleep(600)
    if str(seed) in os.environ.get("PROVE_FAILS", "").split():
        raise AssertionError(f"seed {seed} breaks the property")
    return 5


SUITE = Suite("A property of nothing.", range(4), prove, units="things", workers=1)
