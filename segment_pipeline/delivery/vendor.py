"""What a destination across a network is made of: a pool of connections, a count of requests, and creation without doubles.

Parts to be composed; nothing here is inherited from, and nothing knows a vendor.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from segment_pipeline.connector import Described, fields_of, source_of, value
from segment_pipeline.errors import ContractError, TransientError
from segment_pipeline.http import Auth, Classify, HttpClient, RetryPolicy

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
    `auth` and `refusal` are `HttpClient`'s: how a request is signed, and what error an answer is.
    """

    def __init__(
        self,
        connector: Remote,
        *,
        auth: Auth,
        refusal: Classify,
        headers: Mapping[str, str] | None = None,
        rates: Mapping[str, Rates] | None = None,
        timeout: tuple[float, float] = (5.0, 60.0),
    ) -> None:
        self._connector = connector
        self._auth, self._refusal, self._headers, self._timeout = auth, refusal, headers, timeout
        self._rates = rates or {}
        self._lock = threading.Lock()
        self._pool: HttpClient | None = None
        self._clients: dict[str, HttpClient] = {}

    def client(self, purpose: str = "") -> HttpClient:
        """The client for one purpose; raises ConfigError when the address is no address."""
        with self._lock:
            if self._pool is None:
                self._pool = HttpClient(
                    value(self._connector, "base_url"),
                    name=self._connector.name,
                    auth=self._auth,
                    headers=self._headers,
                    timeout=self._timeout,
                    retry=RetryPolicy(attempts=self._connector.attempts),
                    classify=self._refusal,
                )
            if purpose not in self._clients:
                self._clients[purpose] = self._pool.at_rates(*self._rates.get(purpose, UNLIMITED))
            return self._clients[purpose]

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


def found_or_made(find: Callable[[], str | None], make: Callable[[], str]) -> str:
    """The id `find` gives, or else what `make` gives; a creation whose answer was lost is found and not made again."""
    for last in (False, True):
        if (found := find()) is not None:
            return found
        try:
            return make()
        except TransientError as error:
            if last or not error.sent:
                raise
    raise AssertionError("unreachable: the second pass returns or raises")


def variable(connector: Described, field: str) -> str:
    """The environment variable a person sets a field by, for messages."""
    return source_of(connector, field) or fields_of(connector)[field].name


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
