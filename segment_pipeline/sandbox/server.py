"""The sandbox as a process of its own on 127.0.0.1, and the small client that tests and the demo steer it with."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import uvicorn

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.app import create_app

HOST = "127.0.0.1"
SECONDS_TO_START = 60
LONGEST_HEAD = 16 * 2**20


class SandboxServer:
    """A sandbox over `home` as a subprocess, from `start` (or `with`) to `stop`. It also ends when this process does.

    `vendors` None: all. `port` 0: any free one. Its log is `<home>/sandbox/server.log`.
    """

    def __init__(self, home: Path, *, vendors: Sequence[str] | None = None, port: int = 0) -> None:
        self.home = Path(home)
        self._vendors = vendors
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Returns once the server answers. Raises ConfigError when it ends before that."""
        (self.home / "sandbox").mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "segment_pipeline.sandbox.server",
            "--home",
            str(self.home),
            "--port",
            str(self._port),
        ]
        command += ["--with-parent"]
        if self._vendors is not None:
            command += ["--vendors", ",".join(self._vendors)]
        log = self._log = (self.home / "sandbox" / "server.log").open("a", encoding="utf-8")
        process = self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdout is not None
        late = threading.Timer(SECONDS_TO_START, process.kill)
        late.start()
        line = process.stdout.readline().strip()
        late.cancel()
        if not line.isdigit():
            self.stop()
            raise ConfigError("the sandbox did not start: read sandbox/server.log under its home")
        self.base_url = f"http://{HOST}:{line}"
        self.control("GET", "/health", timeout=SECONDS_TO_START)
        return self

    def stop(self) -> None:
        """End the server; state stays on disk. Does nothing when it has ended."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def kill(self) -> None:
        """End the server as a crash would, without any clean-up of its own."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
        self.stop()

    def clock(self) -> datetime:
        return datetime.fromisoformat(self.control("GET", "/clock")["now"])

    def set_clock(self, instant: datetime) -> None:
        self.control("PUT", "/clock", {"now": instant.isoformat()})

    def faults(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Add rules to those in force; see `segment_pipeline.sandbox.faults`."""
        self.control("POST", "/faults", [dict(rule) for rule in rules])

    def clear_faults(self) -> None:
        self.control("DELETE", "/faults")

    def requests(self) -> dict[str, Any]:
        """`{vendor: {"read": n, "write": n, "by_route": {...}, "faults": {...}}}` since the start or the last clear."""
        counts: dict[str, Any] = self.control("GET", "/requests")
        return counts

    def clear_requests(self) -> None:
        self.control("DELETE", "/requests")

    def record(self, *, on: bool = True, limit: int = 500) -> None:
        self.control("PUT", "/recording", {"on": on, "limit": limit})

    def recorded(self, vendor: str) -> list[dict[str, Any]]:
        """The vendor's requests since `record`, oldest first: method, path, query, headers, body, and `answer` (status, body).

        What a fault has answered is not kept.
        """
        kept: list[dict[str, Any]] = self.control("GET", f"/recorded?vendor={vendor}")["requests"]
        return kept

    def control(self, method: str, path: str, content: object = None, *, timeout: float = 60) -> Any:
        """One call of the control plane. Raises ConfigError with the sandbox's own words when it refuses."""
        request = urllib.request.Request(
            f"{self.base_url}/_control{quote(path, safe='/?&=%,')}",
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode("utf-8", "replace")
            raise ConfigError(f"the sandbox refused {method} /_control{path}: {reason}") from None


def serve(home: Path, port: int, *, vendors: Sequence[str] | None = None, announce: bool = False) -> None:
    """Serve in the foreground until interrupted. `announce` prints the port as the first line of standard output.

    Raises ConfigError when the port is taken.
    """
    app = create_app(home, vendors)
    try:
        listener = socket.create_server((HOST, port), backlog=256)
    except OSError:
        raise ConfigError(f"port {port} of {HOST} cannot be listened on: end what uses it or choose another") from None
    with listener:
        if announce:
            sys.stdout.write(f"{listener.getsockname()[1]}\n")
            sys.stdout.flush()
        config = uvicorn.Config(
            app,
            # The other parser ends at 64 KB of URL; one vendor's own client puts 10,000 rows there.
            http="h11",
            h11_max_incomplete_event_size=LONGEST_HEAD,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            date_header=False,  # the sandbox tells its own time
            # A client may pause between calls for longer than the default 5 s and find its connection closed.
            timeout_keep_alive=300,
            timeout_graceful_shutdown=2,
            lifespan="off",
            ws="none",
        )
        uvicorn.Server(config).run(sockets=[listener])


def _end_with_parent() -> None:
    """Standard input closes when the parent ends, however it ends."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m segment_pipeline.sandbox.server", description="Serve the sandbox")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--vendors", help="comma-separated; all when left out")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    chosen = parser.parse_args(arguments)
    if chosen.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(chosen.home, chosen.port, vendors=chosen.vendors.split(",") if chosen.vendors else None, announce=True)


if __name__ == "__main__":
    main()
