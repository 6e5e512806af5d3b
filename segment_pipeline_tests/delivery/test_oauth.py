"""Access tokens: fetched once for all threads, again when they run out or are refused, and never blamed on the request."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from segment_pipeline import clock
from segment_pipeline.delivery.oauth import Bearer, Token
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.http import HttpClient
from segment_pipeline_tests.scripted_server import ScriptedServer, answer


class Issuer:
    """Gives `t1`, `t2`, … for a minute each; `failing` is raised once instead."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.given, self.until, self.failing = 0, None if failing else clock.monotonic() + 60, failing

    def __call__(self) -> Token:
        if error := self.failing:
            self.failing = None
            raise error
        self.given += 1
        return Token(f"t{self.given}", self.until)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    running = ScriptedServer()
    running.play(answer(200))
    yield running
    running.stop()


def signed(server: ScriptedServer) -> list[str]:
    return [headers["authorization"] for _, _, headers, _ in server.seen]


def test_a_token_is_fetched_once_for_all_threads_and_again_when_it_runs_out(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, ended = Issuer(), clock.monotonic() + 61
    with HttpClient(server.url, auth=Bearer(issuer)) as client:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: client.request("GET", "/"), range(24)))
        monkeypatch.setattr(clock, "monotonic", lambda: ended)
        client.request("GET", "/")
    assert signed(server) == ["Bearer t1"] * 24 + ["Bearer t2"]


def test_a_token_that_is_refused_is_replaced_once(server: ScriptedServer) -> None:
    """Revoked before its time: the request goes out again; a second refusal is a person's work."""
    issuer = Issuer()
    server.play(answer(401), answer(200), answer(401))
    with HttpClient(server.url, auth=Bearer(issuer)) as client:
        client.request("POST", "/things", json={})
        with pytest.raises(ConfigError):
            client.request("GET", "/")
    assert signed(server) == [f"Bearer t{n}" for n in (1, 2, 2, 3)]


def test_a_refusal_of_a_token_that_is_replaced_already_costs_no_other(server: ScriptedServer) -> None:
    issuer = Issuer()
    auth = Bearer(issuer)
    with HttpClient(server.url, auth=auth) as client:
        old = client._session.prepare_request(requests.Request("GET", server.url, auth=auth))
        auth.refresh(old)
        client.request("GET", "/")
        auth.refresh(old)
        client.request("GET", "/")
    assert signed(server) == ["Bearer t2", "Bearer t2"]


def test_a_request_that_could_not_be_signed_has_not_left(server: ScriptedServer) -> None:
    """What creates is tried again then, as it is not after an answer that was lost."""
    issuer = Issuer(TransientError("the issuer is down", sent=True))
    with HttpClient(server.url, auth=Bearer(issuer)) as client:
        assert client.request("POST", "/things", json={}).status_code == 200
    assert signed(server) == ["Bearer t1"]


def test_a_token_is_not_shown() -> None:
    assert "t1" not in repr(Token("t1"))
