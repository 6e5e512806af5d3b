"""Access tokens that run out: how they are had, fetched again before they expire, and once where they are refused.

Knows no vendor. google-auth knows the protocol, which is everybody's (RFC 6749); what it asks goes through our client, which keeps
secrets out of errors and logs.
"""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol

from segment_pipeline import redact
from segment_pipeline.connector import value
from segment_pipeline.delivery.vendor import Remote, variable
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.http import HttpClient, RetryPolicy

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from requests import PreparedRequest

_REFUSALS: Final = (400, 401, 403)
_OF_THE_CLIENT: Final = ("invalid_client", "unauthorized_client")


class Credential(Protocol):
    """An access token, and whether it may still be used."""

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


def by_refresh_token(connector: Remote, scope: str) -> "Credentials":
    """Signed in by the connector's fields `client_id`, `client_secret` and `refresh_token`, at its `token_url`."""
    from google.oauth2.credentials import Credentials

    fields = {name: value(connector, name) for name in ("client_id", "client_secret", "refresh_token")}
    made = Credentials(token=None, token_uri=value(connector, "token_url"), scopes=[scope], **fields)
    return fresh(made, connector, key="refresh_token")


def fresh(credentials: "Credentials", connector: Remote, *, key: str) -> "Credentials":
    """The same with a new access token. Raises ConfigError naming the variables to check: those of the client, or of `key`."""
    from google.auth.exceptions import GoogleAuthError

    # Asked once: the request that is to be signed is tried again as a whole.
    with HttpClient(value(connector, "token_url"), name=connector.name, retry=RetryPolicy(attempts=1)) as client:
        try:
            credentials.refresh(_sender(client))
        except GoogleAuthError as error:
            refused = error
        else:
            return credentials
    # Raised outside `except`: google-auth's error quotes the answer.
    if refused.retryable:
        raise TransientError(f"{connector.name} could not sign in: it is tried again later")
    answer = refused.args[-1] if refused.args and isinstance(refused.args[-1], dict) else {}
    code = redact.code(answer.get("error"))
    of_client = code in _OF_THE_CLIENT and key == "refresh_token"
    check = " and ".join(
        variable(connector, name) for name in (("client_id", "client_secret") if of_client else (key,))
    )
    raise ConfigError(
        f"{connector.name} could not sign in ({code}): check {check}, what it is good for and whether it has ended"
    )


def _sender(client: HttpClient) -> Callable[..., Any]:
    """google-auth's transport: a refusal in JSON is an answer, whatever else is of no use raises."""

    def send(url: str, method: str = "GET", body: bytes | None = None, headers: Any = None, **_: Any) -> Any:
        answer = client.request(method, url, data=body, headers=headers, idempotent=True, expect=_REFUSALS)
        answer.json()
        return SimpleNamespace(status=answer.status_code, headers=answer.headers, data=answer.content)

    return send
