"""The other side of the guide's connectors, as its reader would write it from the systems' documentation: fixtures of addresses."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

Answer = tuple[int, Any]


@contextmanager
def serving(answer: Callable[[str, str, dict[str, str], Any], Answer], header: str, credential: str) -> Iterator[str]:
    """A server that answers (method, path, query, body), to whom has the credential."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            status, said = answer(self.command, parts.path, query, json.loads(body or b"null"))
            if not parts.path.endswith("/members") or "cursor" in query:
                status, said = (status, said) if self.headers.get(header) == credential else (401, {})
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


MEMBERS = [
    {
        "id": f"m{number}", "changed_at": f"2026-03-{3 * number + 1:02d}T12:00:00Z", "joined_at": "2020-01-01T00:00:00Z",
        "email": f"member{number}@example.com", "phone": "+49 30 901820", "country": "de", "first": "Zoë", "last": 'O"Hara',
    }
    for number in range(7)
]  # fmt: skip


@pytest.fixture(scope="session")
def club() -> Iterator[str]:
    """Three members a page."""

    def answer(method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        known = [m for m in MEMBERS if query.get("changed_from", "") <= m["changed_at"] < query.get("changed_to", "9")]
        first = int(query.get("cursor") or 0)
        following = str(first + 3) if first + 3 < len(known) else None
        return 200, {"members": known[first : first + 3], "next": following, "total": len(known)}

    with serving(answer, "Authorization", "Bearer t0ken") as url:
        yield url


@pytest.fixture
def postbox() -> Iterator[str]:
    lists: dict[str, set[str]] = {}
    names: dict[str, str] = {}

    def answer(method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        if path == "/account":
            return 200, {}
        if path == "/lists":
            known = names.setdefault(body["name"], str(len(names) + 1))
            lists.setdefault(known, set())
            return 200, {"id": known}
        found = re.fullmatch(r"/lists/(\d+)(?:/(\w+))?", path)
        if not found or found[1] not in lists:
            return 404, {}
        held = lists[found[1]]
        match found[2]:
            case "add":
                held.update(body["emails"])
            case "remove":
                held.difference_update(body["emails"])
            case "members":
                return 200, sorted(held)
            case _:
                return 200, {"size": len(held)}
        return 200, {"taken": len(body["emails"])}

    with serving(answer, "X-Api-Key", "k3y") as url:
        yield url
