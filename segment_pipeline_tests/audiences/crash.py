"""A sync, a renaming, retiring or reconciling that can be stopped at any step: around every ledger transaction, lake commit and call
to the tool.

As a script it is killed for real: `python -m segment_pipeline_tests.audiences.crash HOME STEP KIND WHAT`.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.reconcile import reconcile
from segment_pipeline.audiences.rename import rename
from segment_pipeline.audiences.retire import retire
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session, Written
from segment_pipeline_tests.audiences.tool import KINDS, OpenTool, Tool
from segment_pipeline_tests.audiences.world import World, audience

Step = Callable[[str], None]


class Stopped(BaseException):
    """What a killed process looks like from within: nothing after it happens."""


class Fuse:
    """Counts steps; from the `at`-th on every step ends in `stop`."""

    def __init__(self, at: int | None, stop: Callable[[], None]) -> None:
        self.at, self.stop, self.taken = at, stop, 0
        self.lock = threading.Lock()

    def __call__(self, name: str) -> None:
        with self.lock:
            self.taken += 1
            burnt = self.at is not None and self.taken >= self.at
        if burnt:
            self.stop()


class SteppingLedger(Ledger):
    step: Step

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.step("before commit")
        with super().transaction() as connection:
            yield connection
        self.step("after commit")


class SteppingSession(Session):
    step: Step

    def replace(self, name: str, *given: Any, **values: Any) -> Written:
        self.step(f"before {name}")
        written = super().replace(name, *given, **values)
        self.step(f"after {name}")
        return written

    def append(self, name: str, *given: Any, **values: Any) -> Written:
        self.step(f"before {name}")
        written = super().append(name, *given, **values)
        self.step(f"after {name}")
        return written


class SteppingLake(Lake):
    step: Step

    @contextmanager
    def session(self, pins: Any = None) -> Iterator[Session]:
        with super().session(pins) as made:
            made.__class__ = SteppingSession
            made.step = self.step  # type: ignore[attr-defined]
            yield made


def stepping(world: World, tool: Tool, fuse: Fuse) -> World:
    """The same world, every step of which burns the fuse."""
    ledger = SteppingLedger(world.ledger.engine)
    lake = SteppingLake(world.lake.root, world.lake.engine)
    ledger.step = lake.step = tool.step = fuse
    twin = World.__new__(World)
    twin.__dict__ = world.__dict__ | {"ledger": ledger, "lake": lake}
    return twin


def tool_in(home: Path, kind: str) -> OpenTool:
    return OpenTool(home / "tool.sqlite", **KINDS[kind], batch_rows=2)


def operate(world: World, tool: OpenTool, what: str) -> str:
    """Do one thing with the audience; returns the status it ends with."""
    tools = {"tool": tool}
    match what:
        case "rename":
            after = [audience(name="buyers")]
            rename(world.lake, world.ledger, "shoppers", "buyers", declared=after, destinations=tools)
            return "renamed"
        case "retire":
            [report] = retire(world.round([], tools), "shoppers", "empty")
            return report.status
        case "reconcile":
            [report] = reconcile(world.round([audience()], tools), "shoppers")
            return report.status
    return world.sync(audience(), tool).status


def main(home: str, step: str, kind: str, what: str) -> None:
    world, tool = World(Path(home)), tool_in(Path(home), kind)
    fuse = Fuse(int(step) or None, lambda: os.kill(os.getpid(), signal.SIGKILL))
    print(operate(stepping(world, tool, fuse), tool, what), fuse.taken)


if __name__ == "__main__":
    main(*sys.argv[1:])
