"""The server as a process: it starts on a free port, ends when told, and keeps what vendors were told through a crash."""

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.server import SandboxServer, serve
from segment_pipeline_tests.sandbox.vendors import Klaviyo, Meta


def test_two_sandboxes_live_side_by_side_and_share_nothing(tmp_path: Path) -> None:
    with SandboxServer(tmp_path / "a", vendors=["meta"]) as a, SandboxServer(tmp_path / "b", vendors=["meta"]) as b:
        Meta(a).audience("only here")
        assert a.base_url != b.base_url
        assert [one["name"] for one in a.control("GET", "/meta/lists")] == ["only here"]
        assert b.control("GET", "/meta/lists") == []


def test_stopping_ends_the_process_and_may_be_repeated(tmp_path: Path) -> None:
    server = SandboxServer(tmp_path, vendors=["meta"]).start()
    server.stop()
    server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.base_url}/_control/health", timeout=5)


def test_a_killed_server_comes_back_with_everything_it_acknowledged(tmp_path: Path) -> None:
    server = SandboxServer(tmp_path, vendors=["meta", "klaviyo"]).start()
    audience, identifier = Meta(server).audience(), Klaviyo(server).new_list()
    Meta(server).users("POST", audience, "EXTERN_ID", ["1", "2"])
    Klaviyo(server).imported([{"type": "profile", "attributes": {"email": "ann@example.com"}}], identifier)
    server.kill()
    with SandboxServer(tmp_path, vendors=["meta", "klaviyo"]) as server:
        assert Meta(server).rows(audience) == [{"EXTERN_ID": "1"}, {"EXTERN_ID": "2"}]
        assert Klaviyo(server).members(identifier) == [{"email": "ann@example.com"}]


def test_a_port_that_is_taken_is_an_error_that_says_where_to_look(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ConfigError, match=r"server\.log"):
            SandboxServer(tmp_path, vendors=["meta"], port=taken.getsockname()[1]).start()
        with pytest.raises(ConfigError, match="choose another"):
            serve(tmp_path, taken.getsockname()[1], vendors=["meta"])


def test_it_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from segment_pipeline.sandbox.server import SandboxServer\n"
        "server = SandboxServer(pathlib.Path(sys.argv[1]), vendors=['meta']).start()\n"
        "print(server.base_url, flush=True)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60)
    url = f"{done.stdout.strip()}/_control/health"
    assert done.returncode == 9
    for _ in range(100):
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            return
        time.sleep(0.1)
    raise AssertionError("the server outlived its parent by ten seconds")


def test_calls_side_by_side_lose_nothing(tmp_path: Path) -> None:
    with SandboxServer(tmp_path, vendors=["meta", "klaviyo"]) as server:
        audience, identifier = Meta(server).audience(), Klaviyo(server).new_list()

        def call(number: int) -> None:
            Meta(server).users("POST", audience, "EXTERN_ID", [f"{number}-{row}" for row in range(20)])
            Klaviyo(server).imported([{"type": "profile", "attributes": {"external_id": f"{number}"}}], identifier)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(call, range(40)))
        assert len(Meta(server).rows(audience)) == 800
        assert len(Klaviyo(server).members(identifier)) == 40


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with SandboxServer(tmp_path, vendors=["meta"]) as server:
        assert server.base_url.startswith("http://127.0.0.1:")
