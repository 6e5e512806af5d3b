"""A Spark standalone cluster of processes on loopback: one master, some workers with one core each, all ended with it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT = 60.0
MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
REGISTERED = "Successfully registered with master"


class Cluster:
    """`url`: what Spark takes for a master."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.url = ""

    def start(self, name: str, *command: str) -> Path:
        """Start one process of the cluster in a group of its own, its output in a file."""
        import pyspark

        home = Path(pyspark.__file__).parent
        output = self.folder / f"{name}.log"
        environ = os.environ | {
            "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1", "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_MEMORY": "256m",
        }  # fmt: skip
        with output.open("wb") as log:
            self.running[name] = subprocess.Popen(
                [str(home / "bin" / "spark-class"), *command],
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return output

    def kill(self, name: str) -> None:
        """Kill a process and those it started, without a word of warning: a worker with its executor."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        output = made.start(
            "master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"
        )
        made.url = _until(output, MASTER)
        for number in range(workers):
            output = made.start(
                f"worker{number}", "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0",
                "--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}"), made.url,
            )  # fmt: skip
            _until(output, re.compile(f"({REGISTERED})"))
        yield made
    finally:
        for name in list(made.running):
            made.kill(name)


def _until(output: Path, pattern: re.Pattern[str]) -> str:
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if found := pattern.search(output.read_text(encoding="utf-8", errors="replace")):
            return found.group(1)
        time.sleep(0.1)
    raise AssertionError(
        f"{output.name} did not say {pattern.pattern} within {WAIT:.0f} s:\n{output.read_text()[-2000:]}"
    )
