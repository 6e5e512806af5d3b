"""What a measured stage is, and where the stages are: one module per room in `stages`, each with its `STAGES`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.benchmarks.company import Company

# The rooms in the order the data walks, so that what one stage leaves is there for the next.
ROOMS: Final = ("lake", "identity", "traits", "segments", "audiences", "pipeline", "memory")

Work = Callable[[Company], int]


def nothing(company: Company) -> None:
    """For stages that need no more than the facts."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One measured piece of work over one company.

    `prepare` makes what it reads and is not there yet, unmeasured. `run` is the work as the package does it, `by_hand` the
    same rows from the best DuckDB query we can write over the same files, written to Parquet where `run` writes a table.
    Both return the rows they worked on, the same number. The company's own tables are links: nothing may write to the facts.
    Each of the three is called in a process of its own. `members_only`: works on a company without facts too.
    """

    name: str
    prepare: Callable[[Company], None]
    run: Work
    by_hand: Work | None = None
    members_only: bool = False

    @property
    def module(self) -> str:
        """Where its work is written, which is where `of_module` finds it."""
        run = self.run
        while isinstance(run, partial):
            run = run.func
        return run.__module__


def all_stages() -> tuple[Stage, ...]:
    """Every stage, in the order the data walks. Raises ConfigError when two have one name."""
    modules = sorted(
        (path.stem for path in (Path(__file__).parent / "stages").glob("*.py") if path.stem != "__init__"),
        key=lambda name: (ROOMS.index(name) if name in ROOMS else len(ROOMS), name),
    )
    stages: list[Stage] = []
    for module in modules:
        stages.extend(import_module(f"segment_pipeline_tests.benchmarks.stages.{module}").STAGES)
    names = [stage.name for stage in stages]
    if len(set(names)) != len(names):
        raise ConfigError("two benchmark stages have one name: rename one")
    return tuple(stages)


def of_module(module: str, name: str) -> Stage:
    """One stage, with nothing imported that it does not need."""
    stages: Sequence[Stage] = import_module(module).STAGES
    return next(stage for stage in stages if stage.name == name)


def chosen(patterns: Sequence[str]) -> tuple[Stage, ...]:
    """The stages whose names match any pattern (`segments-*`). Raises ConfigError for a pattern that matches none."""
    stages = all_stages()
    for pattern in patterns:
        if not any(fnmatch(stage.name, pattern) for stage in stages):
            raise ConfigError(f"no stage is called {pattern}: there are {', '.join(stage.name for stage in stages)}")
    return tuple(stage for stage in stages if any(fnmatch(stage.name, pattern) for pattern in patterns))
