"""Literal worlds for the tests of the source vendors: versions as rows, put through the real writer."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from segment_pipeline.sandbox.app import create_app
from segment_pipeline.sandbox.world.store import WorldWriter
from segment_pipeline_tests.tiers import NO_SPECS

Version = tuple[str, str, str, str, str, str, str, str | None, str | None]
SPECS = "SEGMENT_PIPELINE_VENDOR_SPECS"
NOW = "2018-01-01T08:00:00+00:00"


def at(text: str) -> str:
    """`2017-05-01`, `2017-05-01T10:00:00` … as the store's fixed-width text."""
    return datetime.fromisoformat(text).isoformat(timespec="microseconds") + "Z"


def version(
    vendor: str,
    entity: str,
    key: str,
    body: dict[str, Any] | None,
    *,
    updated: str,
    created: str | None = None,
    seen: str | None = None,
    until: str | None = None,
    route: str = "",
) -> Version:
    return (
        vendor,
        entity,
        key,
        route,
        at(created or updated),
        at(updated),
        at(seen or updated),
        at(until) if until else None,
        None if body is None else json.dumps(body, ensure_ascii=False),
    )


def world(home: Path, versions: Iterable[Version]) -> None:
    with WorldWriter(home / "sandbox" / "world.sqlite") as writer:
        writer.add(versions)
    (home / "sandbox" / "clock").write_text(NOW)


class Client(requests.Session):
    """A session whose paths are relative to the sandbox."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **more: Any) -> requests.Response:
        more.setdefault("timeout", 30)
        return super().request(method, f"{self.base_url}{url!s}", *args, **more)


@contextmanager
def client(home: Path, vendor: str) -> Iterator[Client]:
    """The sandbox over `home`, served over real HTTP from a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(home, [vendor]), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        with Client(f"http://127.0.0.1:{listener.getsockname()[1]}") as session:
            yield session
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def move_clock(client: Client, instant: str) -> None:
    assert client.put("/_control/clock", json={"now": instant}).status_code == 200


def specs_at_hand() -> bool:
    return bool(os.environ.get(SPECS))


def vendor_schema(name: str) -> Path:
    """A vendor's schema, a file of the folder SEGMENT_PIPELINE_VENDOR_SPECS names; a test skips where it names none."""
    if not specs_at_hand():
        pytest.skip(f"{NO_SPECS}: {name} is one")
    folder = os.environ[SPECS]
    path = Path(folder) / name
    if not path.exists():
        pytest.fail(f"the vendor's schema {name} is not in {folder}")
    return path
