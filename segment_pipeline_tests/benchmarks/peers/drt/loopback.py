"""A tool on loopback that takes batches of rows, and remembers exactly what it was sent.

Answers after a fixed latency and reads the bodies only when asked what it holds, so that its own work costs neither side
anything. Runs as a process of its own: `python -m segment_pipeline_tests.benchmarks.peers.drt.loopback LATENCY`.
"""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

FIELDS = ("EMAIL", "PHONE")


@dataclass(frozen=True, slots=True)
class Received:
    """What the tool was sent since it was last cleared. `requests`: those that carried rows.

    `rows`: rows delivered to be added; `again`: of them, those it already held when they came; `removals`: rows delivered to
    be removed.
    """

    requests: int
    rows: int
    again: int
    removals: int


class State:
    """`bodies` are the requests not yet read, in order of arrival; `held` is the tool's audience."""

    def __init__(self, latency: float) -> None:
        self.latency, self.lock = latency, threading.Lock()
        self.bodies: list[tuple[str, bytes]] = []
        self.held: set[tuple[str | None, ...]] = set()
        self.counts: Counter[str] = Counter()

    def take(self, method: str, body: bytes) -> None:
        with self.lock:
            self.bodies.append((method, body))
            self.counts["requests"] += 1
        time.sleep(self.latency)

    def read(self) -> None:
        with self.lock:
            for method, body in self.bodies:
                for row in json.loads(body)["rows"]:
                    key = tuple(row.get(field) for field in FIELDS)
                    if method == "DELETE":
                        self.counts["removals"] += 1
                        self.held.discard(key)
                    else:
                        self.counts["rows"] += 1
                        self.counts["again"] += key in self.held
                        self.held.add(key)
            self.bodies.clear()


def handler(state: State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections are kept alive, for whoever keeps them
        disable_nagle_algorithm = True  # the head and the body of an answer are sent apart: the latter would wait 40 ms

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/clear":
                state.read()
                state.counts.clear()
            else:
                state.take("POST", body)
            self.answer({"taken": True})

        def do_DELETE(self) -> None:
            state.take("DELETE", self.rfile.read(int(self.headers["Content-Length"])))
            self.answer({"taken": True})

        def do_GET(self) -> None:
            if self.path == "/requests":
                self.answer(state.counts["requests"])
                return
            state.read()
            counts = {name: state.counts[name] for name in Received.__slots__}
            self.answer({"counts": counts, "held": sorted(map(list, state.held), key=str)})

        def answer(self, value: Any) -> None:
            text = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Nothing is logged: rows are people."""

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client killed in the middle of a request is what some runs are about."""


class Loopback:
    """The tool, running in a process of its own as long as this is open."""

    def __init__(self, latency: float) -> None:
        command = [sys.executable, "-m", "segment_pipeline_tests.benchmarks.peers.drt.loopback", str(latency)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.base_url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The server ends with its standard input, also when this process dies.
        self.process.communicate(timeout=10)

    def requests(self) -> int:
        return int(self._ask("/requests"))

    def received(self) -> Received:
        return Received(**self._ask("/rows")["counts"])

    def held(self) -> set[tuple[str | None, ...]]:
        return {tuple(key) for key in self._ask("/rows")["held"]}

    def clear(self) -> None:
        """Begin to count anew; what it holds stays."""
        self._ask("/clear", b"")

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        with urllib.request.urlopen(self.base_url + path, body, timeout=60) as answer:
            return json.load(answer)


def main(latency: str) -> None:
    server = Server(("127.0.0.1", 0), handler(State(float(latency))))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
