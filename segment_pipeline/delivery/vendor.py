"""What a destination across a network is made of: a pool of connections, a count of requests, listings and answers read with
care, rows that failed, and creation without doubles.

Parts to be composed; nothing here is inherited from, and nothing knows a vendor.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from segment_pipeline import paging
from segment_pipeline.connector import Described, fields_of, source_of, value
from segment_pipeline.delivery.destination import AudienceGone
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Auth, Classify, HttpClient, Response, RetryPolicy, basic, header
from segment_pipeline.identifiers import email as canonical_email


class NotTaken(ContractError):
    """The tool did not take a request as it is; in one that carries rows any of them may be to blame."""


class Conflict(TransientError):
    """Somebody else changes the same thing; of a creation: what it was to be called is taken."""


Rates = tuple[tuple[int, float], ...]
UNLIMITED: Final[Rates] = ()


class Remote(Described, Protocol):
    """A connector with an address, and a number of attempts per request."""

    @property
    def base_url(self) -> str: ...

    @property
    def attempts(self) -> int: ...


class Vendor:
    """One connector's connections: one pool, made when it is first used and closed once; safe to share between threads.

    `rates`: the vendor's limits by purpose, each (requests, seconds) pairs that all hold at once; purposes are paced apart.
    `key`: the field whose value signs each request, in the header `key_header` behind `scheme` (empty: alone), or the two of a user
    and a password; where the vendor does not take it (401, 403), a person is told which variable to check. `auth`: what signs them instead, where that is no fixed value:
    `oauth.Bearer`; `key` is then only what a person is told to check, a function where that depends on what is set.
    `refusal`: what other error an answer is. `at_once`: the most requests in flight, whatever for. `address`: the field of the
    vendor's address.
    """

    def __init__(
        self,
        connector: Remote,
        *,
        key: str | tuple[str, str] | Callable[[], str],
        scheme: str = "Bearer",
        key_header: str = "Authorization",
        auth: Auth | None = None,
        refusal: Classify,
        headers: Mapping[str, str] | None = None,
        rates: Mapping[str, Rates] | None = None,
        at_once: int | None = None,
        timeout: tuple[float, float] = (5.0, 60.0),
        address: str = "base_url",
    ) -> None:
        self._connector, self._address = connector, address
        self._key, self._scheme, self._key_header = key, scheme, key_header
        self._auth, self._refusal = auth, refusal
        self._headers, self._timeout, self._at_once = headers, timeout, at_once
        self._rates = rates or {}
        self._lock = threading.Lock()
        self._pool: HttpClient | None = None
        self._clients: dict[str, HttpClient] = {}

    def client(self, purpose: str = "") -> HttpClient:
        """The client for one purpose; raises ConfigError when the address is no address, or the key is nowhere."""
        with self._lock:
            if self._pool is None:
                self._pool = HttpClient(
                    value(self._connector, self._address),
                    name=self._connector.name,
                    auth=self._auth or header(self._key_header, self._signature(), read_from=self._variables),
                    headers=self._headers,
                    timeout=self._timeout,
                    at_once=self._at_once,
                    retry=RetryPolicy(attempts=self._connector.attempts),
                    classify=self._error,
                )
            if purpose not in self._clients:
                self._clients[purpose] = self._pool.at_rates(*self._rates.get(purpose, UNLIMITED))
            return self._clients[purpose]

    def object(self, purpose: str, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON object a request is answered with; raises ContractError for any other answer."""
        answer = self.client(purpose).json(method, path, **options)
        if not isinstance(answer, dict):
            address = variable(self._connector, self._address)
            raise ContractError(f"{self._connector.name} answered with no object: check {address}")
        return answer

    def of_audience(
        self, remote_id: str, method: str, path: str, *, purpose: str = "", expect: Collection[int] = (), **options: Any
    ) -> Response:
        """A request about one audience; raises AudienceGone where it is answered that there is no such thing (404)."""
        answer = self.client(purpose).request(method, path, expect=(*expect, 404), **options)
        if answer.status_code == 404:
            raise self.gone(remote_id)
        return answer

    def gone(self, remote_id: str) -> AudienceGone:
        return AudienceGone(f"{self._connector.name} no longer has audience {remote_id}: resend it to make it anew")

    def counted(self) -> Callable[[], int]:
        """Begins to count: what it returns says how many requests this thread has sent since, whatever for."""
        pool = self.client()
        before = pool.requests_of_thread
        return lambda: pool.requests_of_thread - before

    def close(self) -> None:
        """Close the connections; the next use makes new ones."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
            self._pool = None
            self._clients.clear()

    @property
    def _fields(self) -> tuple[str, ...]:
        key = self._key() if callable(self._key) else self._key
        return (key,) if isinstance(key, str) else key

    @property
    def _variables(self) -> str:
        return " and ".join(variable(self._connector, field) for field in self._fields)

    def _signature(self) -> str:
        held = [value(self._connector, field) for field in self._fields]
        return f"{self._scheme} {held[0]}".lstrip() if len(held) == 1 else basic(*held)

    def _error(self, response: Response) -> SegmentPipelineError | None:
        error, status = self._refusal(response), response.status_code
        if error is not None or status not in {401, 403}:
            return error
        return ConfigError(
            f"{self._connector.name} refused its credentials (HTTP {status}): check {self._variables} and its scopes"
        )


def found_or_made(find: Callable[[], Iterable[str]], make: Callable[[], str | None], *, taken: str = "") -> str:
    """The oldest of the ids `find` gives, or else what `make` gives; a creation whose answer was lost is found, not made again.

    None of `make`: the tool says that there is one of that name, which is looked for again. `taken`: the ConfigError where it is
    not found, since it is another's.
    """
    for last in (False, True):
        if found := oldest(find()):
            return found
        try:
            if made := make():
                return made
        except TransientError as error:
            if last or not error.sent:
                raise
    if found := oldest(find()):
        return found
    raise ConfigError(taken)


def oldest(found: Iterable[str]) -> str | None:
    """Of several made at once under one name the one every run takes; ids that are numbers grow."""
    return min(found, key=lambda identifier: (len(identifier), identifier), default=None)


def variable(connector: Described, field: str) -> str:
    """The environment variable a person sets a field by, for messages."""
    return source_of(connector, field) or fields_of(connector)[field].name


def records(
    fetch: Callable[[str | None], Any], next_page: Callable[[Mapping[str, Any]], str | None], *, of: str
) -> Iterator[Mapping[str, Any]]:
    """Every record of a listing, to its last page, as `paging.pages` walks it; a page holds them under `data`."""
    for page in paging.pages(fetch, next_page, what=f"a listing of {of}"):
        yield from at(page, "data", of=of, kind=list)


def failures(named: Mapping[str, str], count: int, keys: Collection[str], *, reason: str, of: str) -> dict[str, str]:
    """Key → reason of the rows a vendor failed: those it named, or all where it counts as many (`reason`, if it names none).

    Raises RejectedRecords, for the batch to be split, where it named fewer than it counts.
    """
    if count >= len(keys):
        return {**dict.fromkeys(keys, reason), **named}
    if len(named) < count:
        raise RejectedRecords(f"{of} failed {count} rows of a batch and named {len(named)}: split the batch")
    return dict(named)


def email_as_sent(known: str | None) -> str | None:
    """An e-mail address as a tool shows it, in the form we send; tools keep it in the case somebody typed it in."""
    return (canonical_email(known) or known.strip().lower()) if known else None


def told(response: Response, name: str, kind: type[Any]) -> Any:
    """What an error says under a name; None when it is not of that kind, or the answer is no JSON."""
    try:
        return at(response.json(), name, of="", kind=kind)
    except ContractError:
        return None


def at(body: Any, *path: str | int, of: str, kind: type[Any] = str) -> Any:
    """What an answer has under a path of names and positions; ContractError naming the path when it is not of that kind."""
    found = body
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            found = None
    if not isinstance(found, kind):
        raise ContractError(f"an answer of {of} has no {'.'.join(map(str, path))}")
    return found
