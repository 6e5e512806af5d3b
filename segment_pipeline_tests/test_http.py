"""The HTTP client against a real server on loopback: what is retried, what is not, and what an error may say."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from segment_pipeline import clock, redact
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.http import HttpClient, Response, RetryPolicy
from segment_pipeline.pacing import retry_after
from segment_pipeline_tests.scripted_server import (
    ScriptedServer,
    Step,
    answer,
    cut_chunks,
    cut_short,
    never,
    of_unknown_length,
    reset,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    running = ScriptedServer()
    yield running
    running.stop()


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[HttpClient]:
    with HttpClient(server.url, name="vendor", retry=RetryPolicy(attempts=3)) as made:
        yield made


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(clock, "sleep", slept.append)
    return slept


@pytest.mark.parametrize("failure", [answer(503), answer(408), answer(429), reset, cut_short, cut_chunks])
def test_a_named_failure_is_tried_again(server: ScriptedServer, client: HttpClient, failure: Step) -> None:
    server.play(failure, answer(200, b"[1]"))
    assert client.json("GET", "/things") == [1]
    assert client.requests == len(server.seen) == 2


@pytest.mark.parametrize("status", [400, 404, 409, 501, 302])
def test_other_codes_are_not_tried_again(server: ScriptedServer, client: HttpClient, status: int) -> None:
    server.play(answer(status))
    with pytest.raises(ContractError, match=f"vendor: GET /things answered HTTP {status}"):
        client.request("GET", "/things")
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_a_persons_work(server: ScriptedServer, client: HttpClient, status: int) -> None:
    server.play(answer(status))
    with pytest.raises(ConfigError, match="check the credentials"):
        client.request("GET", "/things")
    assert len(server.seen) == 1


def test_a_redirect_is_not_followed(server: ScriptedServer, client: HttpClient) -> None:
    """A redirected POST would become a GET, and credentials would travel with it."""
    server.play(answer(302, headers=[("Location", "/elsewhere")]), answer(200))
    with pytest.raises(ContractError):
        client.request("GET", "/things")
    assert [path for _, path, _, _ in server.seen] == ["/things"]


def test_cookies_are_not_kept(server: ScriptedServer, client: HttpClient) -> None:
    server.play(answer(200, headers=[("Set-Cookie", "session=1")]), answer(200))
    client.request("GET", "/first")
    client.request("GET", "/second")
    assert "cookie" not in server.seen[1][2]


def test_an_expected_code_is_an_answer(server: ScriptedServer, client: HttpClient) -> None:
    server.play(answer(404, b"none"))
    assert client.request("GET", "/x", expect=(404,)).content == b"none"


def test_attempts_end_and_the_error_says_whether_it_may_have_arrived(
    server: ScriptedServer, client: HttpClient
) -> None:
    server.play(answer(503), answer(429))
    with pytest.raises(TransientError) as caught:
        client.request("PUT", "/things")
    assert (len(server.seen), caught.value.sent) == (3, True)


@pytest.mark.parametrize("failure", [reset, cut_short, answer(500)])
def test_what_may_have_been_carried_out_is_not_repeated_blindly(
    server: ScriptedServer, client: HttpClient, failure: Step
) -> None:
    server.play(failure, answer(200))
    with pytest.raises(TransientError) as caught:
        client.request("POST", "/things", json={})
    assert (len(server.seen), caught.value.sent) == (1, True)


def test_a_limit_is_not_a_lost_answer_so_a_post_is_repeated(server: ScriptedServer, client: HttpClient) -> None:
    server.play(answer(429), answer(200))
    assert client.request("POST", "/things", json={}).status_code == 200


def test_an_idempotent_post_is_repeated(server: ScriptedServer, client: HttpClient) -> None:
    server.play(reset, answer(200))
    assert client.request("POST", "/things", json={"a": 1}, idempotent=True).status_code == 200
    assert server.seen[0][3] == server.seen[1][3] == b'{"a": 1}'


def test_a_host_that_is_down_was_not_reached() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with (
            HttpClient(f"http://127.0.0.1:{port}", retry=RetryPolicy(attempts=1)) as down,
            pytest.raises(TransientError) as caught,
        ):
            down.request("GET", "/things")
    assert not caught.value.sent
    assert "could not connect" in str(caught.value)


def test_silence_ends_at_the_read_timeout(server: ScriptedServer) -> None:
    released = threading.Event()
    server.play(never(released))
    with HttpClient(server.url, timeout=(1, 0.2), retry=RetryPolicy(attempts=1)) as impatient:
        with pytest.raises(TransientError, match="no answer within 0.2 s") as caught:
            impatient.request("GET", "/things")
        released.set()
    assert caught.value.sent


NOW = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        (str(int(NOW.timestamp()) + 30), 30.0),
        (format_datetime(NOW + timedelta(seconds=12), usegmt=True), 12.0),
        (format_datetime(NOW - timedelta(seconds=12), usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_every_form(monkeypatch: pytest.MonkeyPatch, value: str, seconds: float | None) -> None:
    """The demo pins our clock in 2018, so a point in time is compared with the answer's own Date."""
    monkeypatch.setenv(clock.VARIABLE, "2018-01-01T00:00:00+00:00")
    assert retry_after({"retry-after": value, "date": format_datetime(NOW, usegmt=True)}) == seconds


def test_retry_after_is_obeyed(server: ScriptedServer, client: HttpClient, waits: list[float]) -> None:
    server.play(answer(429, headers=[("Retry-After", "7")]), answer(200))
    client.request("GET", "/things")
    assert 7.0 <= waits[0] <= 7.5


@pytest.mark.parametrize(
    "asked", ["0", "0.0", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "1445412480", "1e400", "soon", None]
)
def test_no_answer_switches_the_waiting_off(server: ScriptedServer, waits: list[float], asked: str | None) -> None:
    """`Retry-After: 0`, a time that is past or nonsense: attempts stay apart, and further apart each time."""
    headers = [] if asked is None else [("Retry-After", asked)]
    server.play(answer(429, headers=headers))
    policy = RetryPolicy(attempts=7, base_seconds=1, cap_seconds=60, total_seconds=10_000)
    with HttpClient(server.url, retry=policy) as client, pytest.raises(TransientError):
        client.request("GET", "/things")
    assert len(waits) == 6
    assert min(waits) >= 0.5
    assert max(waits) <= 61


def test_backoff_grows_with_full_jitter_and_stays_under_its_cap(server: ScriptedServer, waits: list[float]) -> None:
    server.play(answer(503))
    policy = RetryPolicy(attempts=8, base_seconds=1, cap_seconds=4)
    with HttpClient(server.url, retry=policy) as client, pytest.raises(TransientError):
        client.request("GET", "/things")
    assert len(waits) == 7
    assert all(0.5 <= wait <= min(4, 2**n) for n, wait in enumerate(waits))


def test_a_wait_beyond_the_total_is_not_begun(server: ScriptedServer, waits: list[float]) -> None:
    server.play(answer(429, headers=[("Retry-After", "3600")]))
    with HttpClient(server.url, retry=RetryPolicy(total_seconds=60)) as client, pytest.raises(TransientError) as caught:
        client.request("GET", "/things")
    assert (waits, caught.value.retry_after) == ([], 3600.0)


def test_requests_keep_to_every_rate(server: ScriptedServer, waits: list[float]) -> None:
    server.play(answer(200))
    with HttpClient(server.url, rates=[(2, 1.0), (3, 60.0)]) as client:
        for _ in range(4):
            client.request("GET", "/things")
    assert 0.5 < waits[0] <= 1.1  # third: over 2 a second
    assert 55 < waits[1] <= 61  # fourth: over 3 a minute


def test_a_limit_met_by_one_thread_holds_all(server: ScriptedServer, waits: list[float]) -> None:
    """The next request of anyone waits as well, not only the one that was refused."""
    server.play(answer(429, headers=[("Retry-After", "30")]), answer(200))
    with HttpClient(server.url, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(TransientError):
            client.request("GET", "/refused")
        client.request("GET", "/next")
    assert 29 < waits[0] <= 30


def test_a_200_can_be_a_failure_by_its_body(server: ScriptedServer) -> None:
    def classify(response: Response) -> SegmentPipelineError | None:
        throttled = b"THROTTLED" in response.content
        return TransientError("the shop is throttled", retry_after=0.0) if throttled else None

    server.play(answer(200, b'{"errors": "THROTTLED"}'), answer(200, b'{"ok": true}'))
    with HttpClient(server.url, classify=classify) as client:
        assert client.json("POST", "/graphql", json={}) == {"ok": True}
    assert len(server.seen) == 2


class ExpiringToken:
    def __init__(self) -> None:
        self.token = "old"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Token"] = self.token
        return request

    def refresh(self, rejected: requests.PreparedRequest) -> None:
        assert rejected.headers["X-Token"] == "old"
        self.token = "new"


def test_an_expired_token_is_renewed_once(server: ScriptedServer) -> None:
    server.play(answer(401), answer(200))
    with HttpClient(server.url, auth=ExpiringToken()) as client:
        assert client.request("POST", "/things", json={}).status_code == 200
    assert [headers["x-token"] for _, _, headers, _ in server.seen] == ["old", "new"]


def test_a_renewed_token_that_is_refused_is_a_persons_work(server: ScriptedServer) -> None:
    server.play(answer(401))
    with HttpClient(server.url, auth=ExpiringToken()) as client, pytest.raises(ConfigError):
        client.request("GET", "/things")
    assert len(server.seen) == 2


def test_a_page_on_another_host_is_refused_so_the_token_stays_here(server: ScriptedServer, client: HttpClient) -> None:
    with pytest.raises(ContractError, match="another host"):
        client.request("GET", "http://127.0.0.1:1/elsewhere")
    assert client.requests == 0


def test_an_oversized_answer_is_refused(server: ScriptedServer) -> None:
    server.play(answer(200, b"x" * 200_000))
    with (
        HttpClient(server.url, max_response_bytes=100_000) as client,
        pytest.raises(ContractError, match="smaller pages"),
    ):
        client.request("GET", "/things")


def test_an_answer_that_is_not_json_is_a_broken_contract(server: ScriptedServer, client: HttpClient) -> None:
    server.play(answer(200, b"<html>mary@example.com"))
    with pytest.raises(ContractError, match="not JSON") as caught:
        client.json("GET", "/things")
    assert "mary" not in str(caught.value)


def test_a_download_is_the_bytes_as_sent(server: ScriptedServer, client: HttpClient, tmp_path: Path) -> None:
    server.play(answer(200, bytes(range(256)) * 1000))
    client.download("/export", tmp_path / "export.zip", params={"start": "20180101T00"})
    assert (tmp_path / "export.zip").read_bytes() == bytes(range(256)) * 1000
    assert server.seen[0][1] == "/export?start=20180101T00"


@pytest.mark.parametrize("failure", [cut_short, cut_chunks, of_unknown_length, reset])
def test_a_cut_download_leaves_no_file(
    server: ScriptedServer, client: HttpClient, tmp_path: Path, failure: Step
) -> None:
    server.play(failure)
    with pytest.raises((TransientError, ContractError)):
        client.download("/export", tmp_path / "export.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_cut_download_is_tried_again(server: ScriptedServer, client: HttpClient, tmp_path: Path) -> None:
    server.play(cut_short, answer(200, b"whole"))
    client.download("/export", tmp_path / "export.zip")
    assert (tmp_path / "export.zip").read_bytes() == b"whole"


def test_an_expected_absence_writes_no_file(server: ScriptedServer, client: HttpClient, tmp_path: Path) -> None:
    server.play(answer(404, b"no data"))
    assert client.download("/export", tmp_path / "export.zip", expect=(404,)).status_code == 404
    assert list(tmp_path.iterdir()) == []


def test_a_signed_link_elsewhere_is_fetched_without_our_credentials(server: ScriptedServer, tmp_path: Path) -> None:
    server.play(answer(200, b"rows"))
    with HttpClient("http://localhost:1", auth=ExpiringToken()) as client:
        client.download(server.url + "/result?sig=1", tmp_path / "rows")
    assert "x-token" not in server.seen[0][2]


def test_threads_share_a_client(server: ScriptedServer) -> None:
    server.play(answer(200, b"1"))
    with HttpClient(server.url) as client:
        threads = [threading.Thread(target=lambda: [client.json("GET", "/x") for _ in range(25)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.requests == len(server.seen) == 100


@pytest.mark.parametrize("failure", [answer(404, b"mary@example.com"), answer(503, b"s3cr3t"), reset, cut_short])
def test_no_query_body_or_token_appears_in_an_error_or_a_log(
    server: ScriptedServer, client: HttpClient, failure: Step, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server.play(failure)
    with pytest.raises(SegmentPipelineError) as caught:
        client.request(
            "GET", "/people/mary%40example.com", params={"filter": "mary@example.com", "access_token": "s3cr3t"}
        )
    said = str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__) + caplog.text
    assert "vendor: GET /people/*** " in said
    for private in ("mary", "s3cr3t", "filter"):
        assert private not in said


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("The phone number '+14155552671' is not valid", "The phone number *** is not valid"),
        ("Invalid address mary@example.com given", "Invalid address *** given"),
        ("token EAAGm0PX4ZCpsBAKZCZBqZ expired at 10", "token *** expired at 10"),
        ("Some-API-Key pk_1 was refused", "*** was refused"),
        ("call 415 555 2671 please", "call *** please"),
    ],
)
def test_a_vendors_words_are_kept_and_its_values_masked(said: str, kept: str) -> None:
    assert redact.text(said) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("INVALID_SHA256_FORMAT", "INVALID_SHA256_FORMAT"),
        ("rate-limited", "rate-limited"),
        ("a3f1" * 16, "unknown"),
        ("A3F1" * 16, "unknown"),
        ("mary@quiet.shop", "unknown"),
        ("+14155550100", "unknown"),
        (None, "None"),
    ],
)
def test_a_code_is_a_word_and_no_value(said: object, kept: str) -> None:
    """A constant in capitals is one, however long and whatever number a word of it ends in."""
    assert redact.code(said) == kept


def test_no_more_requests_are_in_flight_than_are_allowed_at_once(server: ScriptedServer) -> None:
    """Whatever they are for: other rates of the same client share the room."""
    lock, now, most = threading.Lock(), [0], [0]

    def step(handler: Any) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        answer(200)(handler)

    server.play(step)
    with HttpClient(server.url, at_once=3) as client, ThreadPoolExecutor(12) as pool:
        clients = [client, client.at_rates((1000, 1.0))]
        list(pool.map(lambda n: clients[n % 2].request("GET", "/things"), range(24)))
    assert most == [3]
