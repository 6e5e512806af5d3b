"""The one HTTP client: time-outs, pacing, retries of named failures, whole bodies or none, and nothing private in an error.

Knows no vendor: a connector hands in its auth, its limits and `classify`, which reads the body, because a 200 may be a failure.
Listings are walked by `paging`; when to send is `pacing`.
"""

import base64
import copy
import logging
import os
import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from importlib import import_module
from json import JSONDecodeError, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable
from urllib.parse import urljoin, urlsplit

from segment_pipeline import clock, redact
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.pacing import Pacer, retry_after
from segment_pipeline.texts import json_text

# Connectors are imported by commands that send nothing: what sends is imported by a client.
if TYPE_CHECKING:
    from requests import PreparedRequest, Request, Response as Answer
    from tenacity import RetryCallState

logging.getLogger("urllib3.connectionpool").addFilter(redact.QuietTransport())

Auth = Callable[["PreparedRequest"], "PreparedRequest"]

_CHUNK = 1 << 16
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whose body arrived whole. `headers` have lower-case names; a request's own headers are not kept."""

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """The parsed body; ContractError when it is not JSON."""
        try:
            return loads(self.content)
        except (JSONDecodeError, UnicodeDecodeError):
            # One record's odd text must not cost the page it stands in.
            with suppress(JSONDecodeError):
                return loads(json_text(self.content))
        raise ContractError(
            f"an answer (HTTP {self.status_code}, {len(self.content)} bytes) is not JSON: check the base URL"
        )


Classify = Callable[[Response], SegmentPipelineError | None]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, capped in attempts and in total seconds, waits included.

    Half of `base_seconds` is a floor under every wait, whatever the other side asks for: `Retry-After: 0` does not switch back-off off.

    `statuses`: HTTP codes that are worth another attempt besides 429.
    """

    attempts: int = 6
    total_seconds: float = 300.0
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    statuses: frozenset[int] = frozenset({408, 500, 502, 503, 504, 524})


@runtime_checkable
class RefreshingAuth(Protocol):
    """An auth that can get a new token: `refresh` is called once per request on a 401, then the request is sent again.

    `rejected` is the refused request, so that the second of two threads sees that its token is already replaced.
    """

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest": ...

    def refresh(self, rejected: "PreparedRequest") -> None: ...


class _Sent:
    """Requests sent: by all threads, and by the one that asks."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()
        self._own = threading.local()

    @property
    def of_thread(self) -> int:
        return getattr(self._own, "count", 0)

    def count(self) -> None:
        with self._lock:
            self.total += 1
        self._own.count = self.of_thread + 1


class HttpClient:
    """Requests to one vendor, safe to share between threads.

    `rates`: (requests, seconds) pairs that all hold at once. `at_once`: the most requests in flight. `classify` sees every complete answer first: an error it
    returns is raised, retried if Transient; None leaves the status code to decide. `requests` counts requests sent,
    `requests_of_thread` those of the calling thread.
    Never follows redirects, never sends its credentials to another origin, keeps no cookies.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str = "",
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: tuple[float, float] = (5.0, 60.0),
        rates: Sequence[tuple[int, float]] = (),
        retry: RetryPolicy | None = None,
        classify: Classify | None = None,
        max_response_bytes: int = 256 * 1024 * 1024,
        connections: int = 16,
        at_once: int | None = None,
    ) -> None:
        _load()
        from requests import Session
        from requests.adapters import HTTPAdapter
        from requests.cookies import RequestsCookieJar

        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f"the base URL of {name or 'an HTTP client'} is not an http(s) address: set it like https://host/path"
            )
        self.base_url = base_url.rstrip("/")
        self.name = name or parts.hostname
        self._sent = _Sent()
        self._origin = (parts.scheme, parts.netloc)
        self._auth = auth or _no_auth
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._classify = classify
        self._max_bytes = max_response_bytes
        self._pacer = Pacer(rates)
        self._room: AbstractContextManager[Any] = threading.BoundedSemaphore(at_once) if at_once else nullcontext()
        self._session = Session()
        self._session.headers.update(headers or {})
        self._session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    @property
    def requests(self) -> int:
        return self._sent.total

    @property
    def requests_of_thread(self) -> int:
        return self._sent.of_thread

    def at_rates(self, *rates: tuple[int, float]) -> Self:
        """The same client under limits of its own: connections, credentials and counts are shared."""
        other = copy.copy(self)
        other._pacer = Pacer(rates)  # noqa: SLF001 - its own
        return other

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        expect: Collection[int] = (),
    ) -> Response:
        """Send until answered, and return the whole answer; `path` is relative to the base URL, or absolute on its origin.

        `idempotent` (default: by method; POST is not): a request that may have been carried out is repeated only if True.
        `expect`: codes outside 2xx that are ordinary answers here. Raises TransientError (its `sent` is True as soon as
        one attempt may have arrived), ConfigError (401, 403, TLS), ContractError (other codes), or what `classify` says.
        """
        url = self._resolve(path)
        if self._is_foreign(url):
            raise ContractError(
                f"{self.name} named a page on another host: check the base URL; its credentials stay here"
            )
        from requests import Request

        call = Request(method, url, params=params, json=json, data=data, headers=dict(headers or {}), auth=self._auth)
        safe = method in _IDEMPOTENT if idempotent is None else idempotent
        return self._with_retry(call, lambda answer: self._read(answer, call, expect), idempotent=safe)

    def json(self, method: str, path: str, **options: Any) -> Any:
        """`request`, parsed. ContractError when the body is not JSON."""
        return self.request(method, path, **options).json()

    def download(
        self,
        path: str,
        dest: Path,
        *,
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        expect: Collection[int] = (),
    ) -> Response:
        """Stream a GET's body as bytes into `dest`, which appears whole or not at all; the answer's `content` is empty.

        A body of unknown length (neither Content-Length nor chunked) is refused: its end could not be told from a cut.
        A code in `expect` returns the answer with its body and writes no file. An absolute URL on another host, such as
        a signed result link, is fetched without our credentials.
        """
        from requests import Request

        url = self._resolve(path)
        auth = _no_auth if self._is_foreign(url) else self._auth
        wanted = {"Accept-Encoding": "identity", **(headers or {})}
        call = Request("GET", url, params=params, headers=wanted, auth=auth)
        return self._with_retry(call, lambda answer: self._save(answer, call, expect, dest), idempotent=True)

    def _resolve(self, path: str) -> str:
        return path if "://" in path else urljoin(self.base_url + "/", path.lstrip("/"))

    def _is_foreign(self, url: str) -> bool:
        parts = urlsplit(url)
        return (parts.scheme, parts.netloc) != self._origin

    def _with_retry(self, call: "Request", read: "Callable[[Answer], Response]", *, idempotent: bool) -> Response:
        import tenacity

        may_have_arrived = False

        def attempt() -> Response:
            nonlocal may_have_arrived
            try:
                return self._send(call, read)
            except TransientError as error:
                may_have_arrived = error.sent = error.sent or may_have_arrived
                raise

        def worth_another(error: BaseException) -> bool:
            return isinstance(error, TransientError) and (idempotent or not error.sent)

        policy = self._retry
        spread = tenacity.wait_random_exponential(multiplier=policy.base_seconds, max=policy.cap_seconds)

        def wait(state: "RetryCallState") -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, TransientError) else None
            ours = max(policy.base_seconds / 2, spread(state))
            return ours if asked is None else max(asked, ours) + random.uniform(0, policy.base_seconds)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(worth_another),
            wait=wait,
            stop=tenacity.stop_after_attempt(policy.attempts) | tenacity.stop_before_delay(policy.total_seconds),
            sleep=clock.sleep,
            reraise=True,
        )
        return retrying(attempt)

    def _send(self, call: "Request", read: "Callable[[Answer], Response]") -> Response:
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        from segment_pipeline.transport import network_failure

        renewable = self._auth if isinstance(self._auth, RefreshingAuth) else None
        for renew in (renewable, None):
            failure: SegmentPipelineError | None = None
            prepared = self._session.prepare_request(call)
            self._sent.count()
            self._pacer.wait()
            try:
                # Reading goes on inside the same guard: a body cut short is a failure of the request.
                with (
                    self._room,
                    self._session.send(
                        prepared,
                        timeout=self._timeout,
                        allow_redirects=False,
                        **self._session.merge_environment_settings(prepared.url or "", {}, True, None, None),
                    ) as answer,
                ):
                    if answer.status_code != 401 or renew is None:
                        return read(answer)
            except (RequestException, HTTPError) as error:
                failure = network_failure(self._said(call), self._timeout[1], error)
            # Raised outside `except`: the library's own errors quote URLs with their query.
            if failure is not None:
                raise failure
            if renew is not None:
                renew.refresh(prepared)
        raise AssertionError("unreachable: the second pass returns or raises")

    def _read(self, answer: "Answer", call: "Request", expect: Collection[int]) -> Response:
        body = bytearray()
        deadline = clock.monotonic() + self._retry.total_seconds
        for chunk in answer.iter_content(_CHUNK):
            body += chunk
            if clock.monotonic() > deadline:
                raise TransientError(
                    f"{self._said(call)} dripped its answer for too long: it is tried again", sent=True
                )
            if len(body) > self._max_bytes:
                raise ContractError(
                    f"{self._said(call)} answered with more than {self._max_bytes} bytes: ask for smaller pages"
                )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        response = Response(answer.status_code, headers, bytes(body))
        self._raise_for(response, call, expect)
        return response

    def _raise_for(self, response: Response, call: "Request", expect: Collection[int]) -> None:
        error = self._classify(response) if self._classify is not None else None
        if error is None and (200 <= response.status_code < 300 or response.status_code in expect):
            return
        error = error or self._default_error(response, call)
        if isinstance(error, TransientError):
            if error.retry_after is None:
                error.retry_after = retry_after(response.headers)
            if error.retry_after is not None and not error.sent:
                # A limit met by one thread is met by all, unless the wait is beyond our patience.
                self._pacer.hold(error.retry_after if error.retry_after <= self._retry.total_seconds else 0)
        raise error

    def _default_error(self, response: Response, call: "Request") -> SegmentPipelineError:
        status, said = response.status_code, self._said(call)
        if status == 429:
            return TransientError(f"{said} was over the rate limit (HTTP 429): it is tried again later")
        if status in self._retry.statuses:
            return TransientError(f"{said} failed at the server (HTTP {status}): it is tried again later", sent=True)
        if status in {401, 403}:
            return ConfigError(f"{said} was not allowed (HTTP {status}): check the credentials and their scopes")
        return ContractError(f"{said} answered HTTP {status}, which this connector does not expect")

    def _save(self, answer: "Answer", call: "Request", expect: Collection[int], dest: Path) -> Response:
        if answer.status_code != 200:
            response = self._read(answer, call, expect)
            if response.status_code not in expect:
                raise ContractError(f"{self._said(call)} answered HTTP {response.status_code} instead of a file")
            return response
        if (
            "Content-Length" not in answer.headers
            and "chunked" not in answer.headers.get("Transfer-Encoding", "").lower()
        ):
            raise ContractError(f"{self._said(call)} gave a file of unknown length, so a cut could not be seen")
        partial = dest.with_name(f"{dest.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            with partial.open("wb") as file:
                # `raw` and not `iter_content`: the bytes as sent, which urllib3 counts against Content-Length.
                for chunk in answer.raw.stream(_CHUNK, decode_content=False):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(dest)
        finally:
            partial.unlink(missing_ok=True)
        return Response(200, {name.lower(): value for name, value in answer.headers.items()}, b"")

    def _said(self, call: "Request") -> str:
        return f"{self.name}: {call.method} {redact.location(call.url or '')}"


def _no_auth(request: "PreparedRequest") -> "PreparedRequest":
    return request  # an auth of any kind also keeps requests from reading ~/.netrc


_loading = threading.Lock()


def _load() -> None:
    """Import what sends, by one thread: of several that begin with it at once some would find it half made, as it imports itself in
    a circle.
    """
    with _loading:
        for name in ("requests", "tenacity", "segment_pipeline.transport"):
            import_module(name)


def basic(user: str, password: str) -> str:
    """What the header `Authorization` says of a user and a password (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def header(name: str, text: str, *, read_from: str = "") -> Auth:
    """An auth that is one header, the same with every request. Raises ConfigError for a text that can be none, naming `read_from`."""
    if not (text.isascii() and text.isprintable() and text == text.strip()):
        # Python would refuse it later, and quote it.
        raise ConfigError(
            f"what is sent as {name} holds a character no key has, the end of a line perhaps: set {read_from or 'the variable it is read from'} anew"
        )

    def auth(request: "PreparedRequest") -> "PreparedRequest":
        request.headers[name] = text
        return request

    return auth
