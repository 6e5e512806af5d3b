"""A command in a process of its own: what it costs from start to end, whoever wrote it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from segment_pipeline_tests.benchmarks.measure import family, resident

WATCH_SECONDS: Final = 0.05
TIMEOUT: Final = 300.0


class CommandFailedError(Exception):
    """The command ended badly; the message is the last of what it said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`seconds`, `cpu_seconds`: of the whole process, its start and those it started included. `peak_mb`: resident, together.

    `said`: the JSON object it printed last, {} for none; `work` in it is the seconds of the work alone, as it says itself.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: int
    said: Mapping[str, Any] = field(default_factory=dict)

    def after(self, other: "Cost") -> "Cost":
        """Both, one after the other."""
        seconds, cpu = round(self.seconds + other.seconds, 2), round(self.cpu_seconds + other.cpu_seconds, 2)
        return Cost(seconds, cpu, max(self.peak_mb, other.peak_mb))

    @property
    def work(self) -> float:
        return float(self.said.get("work", self.seconds))


def run(
    command: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    kill_when: Callable[[], bool] | None = None,
) -> Cost:
    """Run to the end, or until `kill_when` says so, by SIGKILL. Raises CommandFailedError."""
    with TemporaryFile("w+") as output:
        began = time.perf_counter()
        child = subprocess.Popen(command, env=environ, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        peak, ended = 0, 0
        try:
            while not ended:
                peak = max(peak, sum(resident(pid) for pid in family(child.pid)))
                late = time.perf_counter() - began > TIMEOUT
                if late or (kill_when is not None and kill_when()):
                    os.kill(child.pid, signal.SIGKILL)
                time.sleep(WATCH_SECONDS)
                # Neither Popen's own wait nor its kill, which waits too: they do not say what the process used.
                ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        finally:
            if not ended:
                child.kill()
                child.wait()
        seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().strip().splitlines()
    if child.returncode != (-signal.SIGKILL if kill_when else 0):
        raise CommandFailedError(f"{command[0]} ended with {child.returncode}: {' | '.join(lines[-3:])}")
    return Cost(round(seconds, 2), round(cpu, 2), peak // 1024**2, _told(lines))


def _told(lines: Sequence[str]) -> dict[str, Any]:
    if not lines or not lines[-1].startswith("{"):
        return {}
    told: dict[str, Any] = json.loads(lines[-1])
    return told
