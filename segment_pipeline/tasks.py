"""Runs that make up a longer work, each begun when those it waits for have ended: in this process in turn, or side by side.

A run side by side is a process of its own, forked from one that has loaded everything, as the steps of Dagster's own runs are: two
runs in one process lock each other out, since each sets up Python's logging anew.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import cast

import dagster as dg

from segment_pipeline import forks, interrupts
from segment_pipeline.company import company
from segment_pipeline.days import Window
from segment_pipeline.definitions import build_definitions
from segment_pipeline.defs.runs import Made, RunFailed, instance_here, run
from segment_pipeline.errors import SegmentPipelineError, of_the_system, place_of

Stage = Callable[[str], AbstractContextManager[None]]
Around = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Task:
    """Assets of a job, made in one run. `days`: None for a job without partitions.

    `stage`: what a person sees it as; several tasks may be of one. `after`: positions of the tasks that must have ended.
    """

    stage: str
    job: str
    keys: tuple[dg.AssetKey, ...]
    days: Window | None = None
    after: frozenset[int] = frozenset()


def in_turn(
    tasks: Sequence[Task], definitions: dg.Definitions, instance: dg.DagsterInstance, stage: Stage
) -> dict[str, Made]:
    """Carry tasks out in this process, in their order; what became of each asset. Raises as `run` does, at the first that fails."""
    made: dict[str, Made] = {}
    for task in tasks:
        with stage(task.stage):
            made |= run(definitions.resolve_job_def(task.job), instance, task.keys, task.days)
    return made


def side_by_side(tasks: Sequence[Task], stage: Stage, *, at_once: int, around: Around = nullcontext) -> dict[str, Made]:
    """Carry tasks out in at most `at_once` processes; what became of each asset, a later task's word over an earlier one's.

    The company and the instance are those of the environment. `around`: what each process works in, a function of a module.
    Of one that fails those that wait for it are not begun, all others are; then the first failure is raised, as `run` does.
    Ctrl-C ends all of them.
    """
    order = TopologicalSorter({number: task.after for number, task in enumerate(tasks)})
    order.prepare()
    made: dict[int, dict[str, Made]] = {}
    failed: SegmentPipelineError | None = None
    waiting: list[int] = []
    # Opened here first: two that open a new one at once both make its tables.
    with instance_here(), _shown(tasks, stage) as shown, _workers(min(at_once, len(tasks)), around) as workers:
        while order.is_active():
            waiting += order.get_ready()
            while waiting and (idle := next((one for one in workers if one.free), None)):
                number = waiting.pop(0)
                shown.begins(number)
                idle.begin(number, tasks[number])
            if all(one.free for one in workers):
                break
            for worker in _answered(workers):
                number = worker.number
                try:
                    made[number] = worker.result()
                except SegmentPipelineError as error:
                    failed = failed or error
                    continue
                shown.ended(number)
                order.done(number)
        if failed is not None:
            raise failed
    return {asset: one for number in sorted(made) for asset, one in made[number].items()}


class _Worker:
    """A process that carries tasks out, one at a time. `number`: of the task under way, -1 where it is `free`."""

    def __init__(self, around: Around) -> None:
        self.number, self.stage = -1, ""
        self._around = around
        self._start()

    def _start(self) -> None:
        context = forks.loading()
        self.channel, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, dict(os.environ), self._around), daemon=True)
        self.process.start()
        theirs.close()

    @property
    def free(self) -> bool:
        return self.number < 0

    def begin(self, number: int, task: Task) -> None:
        self.number, self.stage = number, task.stage
        if not self.process.is_alive():
            self.channel.close()
            self._start()
        # Of one that is dead already its answer tells.
        with suppress(OSError):
            self.channel.send(task)

    def result(self) -> dict[str, Made]:
        """What the task made; raises what it raised, and RunFailed where the process was killed."""
        self.number = -1
        try:
            told = self.channel.recv()
        except (EOFError, OSError):
            self.process.join()
            raise RunFailed(f"{self.stage}: its process ended with code {self.process.exitcode} and no word") from None
        if isinstance(told, BaseException):
            raise told
        return cast("dict[str, Made]", told)

    def interrupt(self) -> None:
        """As by Ctrl-C, where a task is under way."""
        if not self.free and self.process.pid:
            with suppress(OSError):
                os.kill(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        """Ended at once where it is free, with its answer where it was interrupted."""
        if not self.free:
            with suppress(EOFError, OSError):
                self.channel.recv()
        self.channel.close()
        self.process.join()


def _answered(workers: Sequence[_Worker]) -> list[_Worker]:
    ready = connection.wait([one.channel for one in workers if not one.free])
    return [one for one in workers if one.channel in ready]


@contextmanager
def _workers(count: int, around: Around) -> Iterator[list[_Worker]]:
    workers: list[_Worker] = []
    try:
        while len(workers) < count:
            workers.append(_Worker(around))
        yield workers
    finally:
        for one in workers:
            one.interrupt()
        for one in workers:
            one.end()


def _work(channel: "Connection[object, object]", environment: Mapping[str, str], around: Around) -> None:
    """A worker's whole life: one answer per task, until nobody asks any more or Ctrl-C is pressed."""
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_ended_with, args=(parent_process(),), daemon=True).start()
    with suppress(EOFError, OSError, KeyboardInterrupt), interrupts.listening(), ExitStack() as stack:

        @cache
        def instance() -> dg.DagsterInstance:
            stack.enter_context(around())
            return stack.enter_context(instance_here())

        while True:
            channel.send(_answer(cast("Task", channel.recv()), instance))


def _ended_with(parent: BaseProcess | None) -> None:
    """Interrupt this process once the one it works for is gone: nobody else would end it."""
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)


def _answer(task: Task, instance: Callable[[], dg.DagsterInstance]) -> dict[str, Made] | BaseException:
    """What a task made or raised: as it is where it is ours, of a disk what it says, of anything else only its kind and place.

    `instance`: opened with the first task, so that what goes wrong with it is an answer as well.
    """
    try:
        return run(_definitions().resolve_job_def(task.job), instance(), task.keys, task.days)
    except (SegmentPipelineError, KeyboardInterrupt) as error:
        return error
    except Exception as error:  # noqa: BLE001  its text may quote a row
        if interrupts.interrupted():
            return KeyboardInterrupt()
        return RunFailed(f"{task.stage}: {of_the_system(error) or f'{type(error).__name__} at {place_of(error)}'}")


@cache
def _definitions() -> dg.Definitions:
    return build_definitions(*company())


class _Shown:
    """Each stage is shown from its first task's beginning to its last one's end."""

    def __init__(self, tasks: Sequence[Task], stage: Stage, stack: ExitStack) -> None:
        self._stages = [task.stage for task in tasks]
        self._left = {name: self._stages.count(name) for name in self._stages}
        self._stage, self._stack = stage, stack
        self._open: dict[str, ExitStack] = {}

    def begins(self, number: int) -> None:
        name = self._stages[number]
        if name not in self._open:
            self._open[name] = self._stack.enter_context(ExitStack())
            self._open[name].enter_context(self._stage(name))

    def ended(self, number: int) -> None:
        name = self._stages[number]
        self._left[name] -= 1
        if not self._left[name]:
            self._open[name].close()


@contextmanager
def _shown(tasks: Sequence[Task], stage: Stage) -> Iterator[_Shown]:
    with ExitStack() as stack:
        yield _Shown(tasks, stage, stack)
