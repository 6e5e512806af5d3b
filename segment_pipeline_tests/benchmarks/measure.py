"""One piece of work in a process of its own: how long it took, how much of the processors and of the memory.

    python -m segment_pipeline_tests.benchmarks.measure MODULE STAGE ACTION HOME RESULT

is that process; `measured` starts it and watches it.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from segment_pipeline_tests.benchmarks.company import open_company
from segment_pipeline_tests.benchmarks.stage import Stage, of_module

PROC: Final = Path("/proc")
WATCH_SECONDS: Final = 0.1
# Looking for new processes reads all there are, at the expense of what is measured.
LOOK_SECONDS: Final = 1.0
MB: Final = 1024 * 1024


class StageFailedError(Exception):
    """The process ended badly; the message is the last of what it said."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` of the work alone, without the start of the process. `cpu_seconds`: of the process and those it started.

    `peak_mb`: the most memory they held together, resident.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: int


def measured(stage: Stage, action: str, home: Path, environ: Mapping[str, str], *, timeout: float) -> Measured:
    """Call a stage's `prepare`, `run` or `by_hand` on the company at `home`. Raises StageFailedError."""
    result, said = home / "result.json", home / "said.txt"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", __name__, stage.module, stage.name, action, str(home), str(result)]
    with said.open("w", encoding="utf-8") as output:
        child = subprocess.Popen(command, env=dict(environ), stdout=output, stderr=output)
        try:
            peak = _watched(child, time.monotonic() + timeout)
            if child.returncode is None:
                raise StageFailedError(f"not done after {timeout:g} s")
        except BaseException:
            end(child.pid)
            child.wait()
            raise
    if child.returncode or not result.exists():
        last = said.read_text(encoding="utf-8").strip().splitlines()[-1:]
        raise StageFailedError(last[0] if last else f"ended with {child.returncode}")
    found = Measured(**json.loads(result.read_text(encoding="utf-8")))
    return Measured(found.rows, found.seconds, found.cpu_seconds, max(found.peak_mb, peak // MB))


def _watched(child: subprocess.Popen[bytes], until: float) -> int:
    """The most memory the process and those it started held, once it has ended or its time is over."""
    peak, family_of, looked = 0, {child.pid}, time.monotonic()
    while child.poll() is None and time.monotonic() < until:
        if time.monotonic() > looked + LOOK_SECONDS:
            family_of, looked = family(child.pid), time.monotonic()
        peak = max(peak, sum(resident(pid) for pid in family_of))
        time.sleep(WATCH_SECONDS)
    return peak


def main(module: str, name: str, action: str, home: str, result: str) -> None:
    company = open_company(Path(home))
    if company is None:
        raise StageFailedError(f"there is no company at {home}")
    work = getattr(of_module(module, name), action)
    began, used = time.perf_counter(), _processor_seconds()
    rows = work(company) or 0
    seconds, cpu = time.perf_counter() - began, _processor_seconds() - used
    told = Measured(rows, round(seconds, 3), round(cpu, 2), _own_peak() // MB)
    Path(result).write_text(json.dumps(asdict(told)), encoding="utf-8")


def _processor_seconds() -> float:
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(_ticks(pid) for pid in family(os.getpid()) if pid != os.getpid()) / os.sysconf("SC_CLK_TCK")
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + living


def _own_peak() -> int:
    # Not ru_maxrss: a new process inherits there what the one that started it held.
    for line in _lines(PROC / "self" / "status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def end(pid: int) -> None:
    """Kill a process and those it started, a Java machine say."""
    for member in family(pid):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


def family(pid: int) -> set[int]:
    """A process and its descendants; where the system has no /proc, the process alone."""
    parents = {int(path.name): stat(int(path.name)) for path in PROC.glob("[0-9]*")}
    found = {pid}
    while grown := {p for p, fields in parents.items() if fields and int(fields[1]) in found} - found:
        found |= grown
    return found


def stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; empty: it is gone."""
    return next(_lines(PROC / str(pid) / "stat"), "").rpartition(")")[2].split()


def _ticks(pid: int) -> int:
    return sum(int(ticks) for ticks in stat(pid)[11:15])


def resident(pid: int) -> int:
    fields = next(_lines(PROC / str(pid) / "statm"), "").split()
    return int(fields[1]) * resource.getpagesize() if fields else 0


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
