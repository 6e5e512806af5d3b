"""Signatures as Standard Webhooks has them (standardwebhooks.com): HMAC-SHA256 over id, timestamp and body, by each secret.

A request brings its `webhook-id`; timestamp and signatures are made anew each time it is sent.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final

from segment_pipeline import clock
from segment_pipeline.connector import value
from segment_pipeline.delivery.vendor import Remote, variable
from segment_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from requests import PreparedRequest

PREFIX: Final = "whsec_"
_SIZES: Final = range(24, 65)
_HEADER: Final = re.compile(r"([\w!#$%&'*+.^`|~-]+): *([!-~](?:[ -~]*[!-~])?)", re.ASCII)
_MAKE_ONE: Final = f"python -c \"import base64, os; print('{PREFIX}' + base64.b64encode(os.urandom(32)).decode())\""


class Signed:
    """An auth: the connector's secrets and header, read anew for each request, so that what is rotated is taken up."""

    def __init__(self, connector: Remote) -> None:
        self._connector = connector

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        stamp, content = str(int(clock.now().timestamp())), request.body or b""
        body = content if isinstance(content, bytes) else str(content).encode()
        signed = f"{request.headers['webhook-id']}.{stamp}.".encode() + body
        request.headers["webhook-timestamp"] = stamp
        request.headers["webhook-signature"] = " ".join(
            "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in self.keys()
        )
        request.headers.update(self.header())
        return request

    def keys(self) -> list[bytes]:
        """Of each secret there is. Raises ConfigError for one that is none."""
        return [self._key(name) for name in ("signing_secret", "next_secret") if value(self._connector, name)]

    def header(self) -> dict[str, str]:
        """What a gateway asks for. Raises ConfigError where it is no header."""
        said = value(self._connector, "header")
        found = _HEADER.fullmatch(said)
        if said and not found:
            raise ConfigError(f"{self._of('header')} is no header: set it like `X-Api-Key: …`")
        return {found[1]: found[2]} if found else {}

    def _key(self, name: str) -> bytes:
        said = value(self._connector, name)
        text = said.removeprefix(PREFIX).rstrip("=")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not said.startswith(PREFIX) or len(key) not in _SIZES:
            raise ConfigError(f"{self._of(name)} is no secret to sign by: make one with {_MAKE_ONE}")
        return key

    def _of(self, name: str) -> str:
        return f"{self._connector.name}: {variable(self._connector, name)}"
