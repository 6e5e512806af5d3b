"""Access tokens that run out: how they are had (RFC 6749), fetched again before they end, and once where they are refused.

Knows no vendor.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from segment_pipeline import clock, redact
from segment_pipeline.connector import value
from segment_pipeline.delivery.vendor import Remote, told, variable
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.http import HttpClient, RetryPolicy

if TYPE_CHECKING:
    from requests import PreparedRequest

_EARLY: Final = 120.0  # seconds before its end that a token is used no more
_REFUSALS: Final = (400, 401, 403, 404)
_OF_THE_CLIENT: Final = ("invalid_client", "unauthorized_client")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `until`: by `clock.monotonic`; None: until it is refused."""

    text: str = field(repr=False)
    until: float | None = None

    @property
    def valid(self) -> bool:
        return self.until is None or clock.monotonic() < self.until


class Bearer:
    """An auth for `Vendor`: the token in the header `Authorization`. Safe to share between threads, which fetch it once for all.

    `fetch` signs in anew each time, so that what was rotated meanwhile is read again; it raises ConfigError where a person must
    act, and TransientError.
    """

    def __init__(self, fetch: Callable[[], Token]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._held: Token | None = None

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        with self._lock:
            if self._held is None or not self._held.valid:
                self._held = self._signed_in()
            request.headers["Authorization"] = f"Bearer {self._held.text}"
        return request

    def refresh(self, rejected: "PreparedRequest") -> None:
        """The token of `rejected` is not used again, unless another thread has replaced it already."""
        with self._lock:
            if self._held and rejected.headers["Authorization"] == f"Bearer {self._held.text}":
                self._held = None

    def _signed_in(self) -> Token:
        try:
            return self._fetch()
        except TransientError as error:
            error.sent = False  # the request that was to be signed has not left
            raise


def by_refresh_token(connector: Remote) -> Token:
    """A token for the connector's fields `client_id`, `client_secret` and `refresh_token`, from its `token_url`."""
    held = {name: value(connector, name) for name in ("client_id", "client_secret", "refresh_token")}
    return granted(connector, {"grant_type": "refresh_token", **held}, key="refresh_token")


def granted(connector: Remote, asked: Mapping[str, str], *, key: str) -> Token:
    """What the connector's `token_url` gives.

    Raises ConfigError naming the variables to check: of the client, of the field `key`, or of the address where it does not answer
    as one that gives tokens.
    """
    address = value(connector, "token_url")
    # Asked once: the request that is to be signed is tried again as a whole.
    with HttpClient(address, name=f"{connector.name}'s sign-in", retry=RetryPolicy(attempts=1)) as client:
        answer = client.request("POST", address, data=asked, idempotent=True, expect=_REFUSALS)
    if answer.status_code == 200 and (text := told(answer, "access_token", str)):
        lasts = str(answer.json().get("expires_in", ""))
        return Token(text, clock.monotonic() + int(lasts) - _EARLY if lasts.isdigit() else None)
    if answer.status_code == 200 or (error := told(answer, "error", str)) is None:
        raise ConfigError(
            f"{connector.name} could not sign in: the address of its tokens gave none (HTTP {answer.status_code}): "
            f"check {variable(connector, 'token_url')}"
        )
    code = redact.code(error)
    fields = ("client_id", "client_secret") if code in _OF_THE_CLIENT and "client_id" in asked else (key,)
    check = " and ".join(variable(connector, name) for name in fields)
    raise ConfigError(
        f"{connector.name} could not sign in ({code}): check {check}: it is wrong, withdrawn, or has ended"
    )
