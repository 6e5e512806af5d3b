"""Records of every source with fields made something else: the run goes on, and nobody else's rows differ."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, strategies as st

from segment_pipeline.settings import Settings
from segment_pipeline_tests.prove.suite import Suite, examples
from segment_pipeline_tests.sources.fuzz import AT, Breach, fuzz
from segment_pipeline_tests.sources.fuzz_subjects import SUBJECTS
from segment_pipeline_tests.sources.fuzz_tables import TABLES

EVERY: Final = {f"{each.source.name}/{each.entity}": each for each in (*SUBJECTS, *TABLES)}
# Half of the records of a landing are mutated; each source has 20,000 of them and more.
COUNT, LANDINGS, CASES = 1000, 4, 22_000
ENTITIES: Final = {name: sum(other.partition("/")[0] == name.partition("/")[0] for other in EVERY) for name in EVERY}


def _cases() -> list[str]:
    of_case = LANDINGS * COUNT // 2
    return [f"{name}:{n}" for name in EVERY for n in range(-(-CASES // ENTITIES[name] // of_case))]


def prove(case: str, folder: Path) -> int:
    name, _, number = case.partition(":")
    settings = replace(Settings.from_env({"SEGMENT_PIPELINE_HOME": str(folder)}), timezone="America/New_York")
    mutated, breaches = list[int](), list[Breach]()

    @given(seed=st.integers(0, 2**64 - 1))
    def holds(seed: int) -> None:
        with TemporaryDirectory(dir=folder) as within:
            try:
                mutated.append(fuzz(EVERY[name], Path(within), settings, seed + int(number) * 2**64, count=COUNT))
            except Breach as breach:
                # Already of the fewest records: there is nothing to shrink.
                breaches.append(breach)

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEGMENT_PIPELINE_CLOCK", AT.isoformat())
        examples(holds, int(number), LANDINGS)
    if breaches:
        raise breaches[0]
    return sum(mutated)


SUITE = Suite(
    "An odd record lands or is in quarantine, and no other's rows differ.", _cases(), prove, units="records", workers=1
)
