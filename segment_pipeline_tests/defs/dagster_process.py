"""Dagster as people run it: webserver, daemon and code location as processes, steered over GraphQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

SECONDS = 600  # to wait for one thing at most, on a machine that gives a fraction of its speed


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class DagsterProcess:
    """`segment-pipeline ui` on a home, until the block ends; or, with a `command` that takes a port, Dagster started by that."""

    def __init__(
        self, home: Path, environ: Mapping[str, str] | None = None, *, command: Sequence[str] | None = None
    ) -> None:
        self.home, self.port = home, free_port()
        ui = (sys.executable, "-m", "segment_pipeline.cli", "ui", "--home", str(home))
        self._command = [*(command or ui), "--port", str(self.port)]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "ui.log"
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith("SEGMENT_PIPELINE_")} | dict(
            environ or {}
        )

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            self.until("the code location is loaded", self._loaded)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def graphql(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.load(answer)
        assert "errors" not in said, said
        return said["data"]

    def runs(self, job: str | None = None) -> list[dict[str, Any]]:
        query = """query($f: RunsFilter) { runsOrError(filter: $f, limit: 100) { ... on Runs { results {
            runId jobName status tags { key value } } } } }"""
        found: list[dict[str, Any]] = self.graphql(query, f={"pipelineName": job} if job else {})["runsOrError"][
            "results"
        ]
        return found

    def launch(self, job: str, asset: Sequence[str], **tags: str) -> str:
        """Queue a run of one asset of a job; returns its id."""
        query = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
            ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
        selector = {
            "repositoryLocationName": "segment_pipeline.definitions", "repositoryName": "__repository__",
            "jobName": job, "assetSelection": [{"path": list(asset)}],
        }  # fmt: skip
        told = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "mode": "default", "executionMetadata": told}
        said = self.graphql(query, p=params)["launchRun"]
        assert said["__typename"] == "LaunchRunSuccess", said
        return str(said["run"]["runId"])

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        """Poll until `holds` gives something true; fails with the log's tail otherwise."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"dagster ended: {self.log.read_text()[-3000:]}"
            if result := holds():
                return result
            time.sleep(0.5)
        raise AssertionError(f"not within {SECONDS} s: {what}\n{self.log.read_text()[-3000:]}")

    def _loaded(self) -> bool:
        query = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus
            locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
        try:
            entries = self.graphql(query)["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, OSError):
            return False
        if not entries or entries[0]["loadStatus"] != "LOADED":
            return False
        assert entries[0]["locationOrLoadError"]["__typename"] != "PythonError", entries
        return True
