"""What a suite of `make prove` is, and where the suites are: one module each in `suites`, with its `SUITE`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest

from segment_pipeline.errors import ConfigError

SUITES: Final = "segment_pipeline_tests.prove.suites"


@dataclass(frozen=True, slots=True)
class Suite:
    """One property over more cases than the gate can take: it tries a few of the same ones.

    `cases`: seeds, or names (of versions, of sizes); each is tried in a process of its own that takes seconds to minutes.
    `prove`: tries one case in an empty folder, raises where the property does not hold, returns how many `units` it tried.
    All cases together take an hour at most on two cores. `workers`: cases at once. `minutes`: what one case may take.
    """

    what: str
    cases: Sequence[int | str]
    prove: Callable[[Any, Path], int]
    units: str = "cases"
    workers: int = 2
    minutes: float = 15


def names() -> list[str]:
    """Of the suites there are."""
    return sorted(path.stem for path in (Path(__file__).parent / "suites").glob("*.py") if path.stem != "__init__")


def module_of(name: str) -> str:
    """The module of a suite; a name with dots is one. Raises ConfigError for a name that no module has."""
    if "." in name:
        return name
    if name not in names():
        raise ConfigError(f"there is no suite {name}: choose of {', '.join(names())}")
    return f"{SUITES}.{name}"


def suite(name: str) -> Suite:
    """Raises ConfigError for a name that no module has."""
    found: Suite = import_module(module_of(name)).SUITE
    return found


def examples(holds: Callable[[], None], seed: int, number: int) -> int:
    """Ask hypothesis' property so many examples of this seed; returns their number."""
    settings = hypothesis.settings(
        max_examples=number, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    hypothesis.seed(seed)(settings(holds))()
    return number


@contextmanager
def standing_still() -> Iterator[None]:
    """The clock stands, and nothing waits between tries."""
    # Imported late: most suites have no need of a whole company.
    from segment_pipeline_tests.audiences.world import NOW

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEGMENT_PIPELINE_CLOCK", NOW)
        patched.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
        yield
