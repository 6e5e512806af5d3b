"""A Spark standalone cluster of processes on loopback: one master and some workers with one core each, all ended with it."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAIT = 300.0
MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
REGISTERED = re.compile(r"(Successfully registered with master)")
# Daemons that only pass messages: small, and quick to start.
SMALL = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


class Cluster:
    """`url`: what Spark takes for a master. `processes`: by name, with everything they start in one process group each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = ""

    def start(self, name: str, kind: str, *options: str) -> Path:
        """Start one daemon; returns the file it writes its output to."""
        import pyspark

        home = Path(pyspark.__file__).parent
        output = self.folder / f"{name}.log"
        with output.open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1", "--webui-port", "0", *options],
                env=os.environ | SMALL | {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip
        return output

    def kill(self, name: str) -> None:
        """Kill a daemon and what it started, without a word of warning: a worker with its executor. Returns when all have ended."""
        group = self.processes[name].pid
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self.processes[name].wait()
        until = time.monotonic() + WAIT
        while running([group]):
            assert time.monotonic() < until, f"{name} cannot be killed"
            time.sleep(0.05)


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        made.url = _said(made.start("master", "master.Master", "--port", "0"), MASTER)
        outputs = [
            made.start(
                f"worker{number}", "worker.Worker", "--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}"), made.url
            )
            for number in range(workers)
        ]  # fmt: skip
        for output in outputs:
            _said(output, REGISTERED)
        yield made
    finally:
        for name in made.processes:
            made.kill(name)


def running(groups: Collection[int]) -> list[int]:
    """Processes of these groups that still run; one that has ended and is not yet collected by its parent does not."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, _, of, *_ = file.read_text().rpartition(")")[2].split()
            if int(of) in groups and state not in "ZX":
                found.append(int(file.parent.name))
    return found


def _said(output: Path, pattern: re.Pattern[str]) -> str:
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if found := pattern.search(output.read_text(encoding="utf-8", errors="replace")):
            return found.group(1)
        time.sleep(0.1)
    raise AssertionError(
        f"{output.name} did not say {pattern.pattern} within {WAIT:.0f} s:\n{output.read_text()[-2000:]}"
    )
