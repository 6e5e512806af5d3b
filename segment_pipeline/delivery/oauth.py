"""Access tokens that run out: fetched when they are first needed, again before they expire, and once when they are refused.

Knows no vendor and no way of signing in: a connector hands in how a token is had.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from segment_pipeline.errors import TransientError

if TYPE_CHECKING:
    from requests import PreparedRequest


class Credential(Protocol):
    """An access token, and whether it may still be used. Those of google-auth are some, whoever gave the token."""

    @property
    def token(self) -> Any: ...

    @property
    def valid(self) -> bool: ...


class Bearer:
    """An auth for `Vendor`: the token in the header `Authorization`. Safe to share between threads, which fetch it once for all.

    `fetch` signs in anew each time, so that what was rotated meanwhile is read again; it raises ConfigError where a person must
    act, and TransientError.
    """

    def __init__(self, fetch: Callable[[], Credential]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._held: Credential | None = None

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        with self._lock:
            if self._held is None or not self._held.valid:
                self._held = self._signed_in()
            request.headers["Authorization"] = self._signature(self._held)
        return request

    def refresh(self, rejected: "PreparedRequest") -> None:
        """The token of `rejected` is not used again, unless another thread has replaced it already."""
        with self._lock:
            if self._held and self._signature(self._held) == rejected.headers["Authorization"]:
                self._held = None

    def _signed_in(self) -> Credential:
        try:
            return self._fetch()
        except TransientError as error:
            error.sent = False  # the request that was to be signed has not left
            raise

    @staticmethod
    def _signature(credential: Credential) -> str:
        return f"Bearer {credential.token}"
