"""How the connector signs in: by the refresh token of somebody who may use the ad account, or as a service account."""

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from segment_pipeline import clock
from segment_pipeline.connector import require, value
from segment_pipeline.delivery.oauth import Token, by_refresh_token, granted
from segment_pipeline.delivery.vendor import Remote, variable
from segment_pipeline.errors import ConfigError

SCOPE: Final = "https://www.googleapis.com/auth/datamanager"
_FILE: Final = "service_account_file"
_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def signed_in(connector: Remote) -> Token:
    """Raises ConfigError naming the variable to check, and TransientError."""
    if file := value(connector, _FILE):
        claim = _claim(Path(file), variable(connector, _FILE))
        return granted(connector, {"grant_type": _GRANT, "assertion": claim}, key=_FILE)
    return by_refresh_token(connector)


def present(connector: Remote) -> None:
    """Offline: raises ConfigError naming the first variable that is missing, of the way of signing in that is chosen."""
    if not value(connector, _FILE):
        require(connector, "client_id", "client_secret", "refresh_token")


def signs_in_by(connector: Remote) -> str:
    """The field whose variable a person is told to check."""
    return _FILE if value(connector, _FILE) else "refresh_token"


def _claim(file: Path, named: str) -> str:
    """What a service account says of itself, signed with its key."""
    from google.auth import crypt, jwt

    with suppress(OSError, ValueError, TypeError, KeyError):
        key, now = json.loads(file.read_text()), clock.now()
        said = {"iss": key["client_email"], "scope": SCOPE, "aud": _AUDIENCE}
        times = {"iat": int(now.timestamp()), "exp": int((now + timedelta(minutes=55)).timestamp())}
        return str(jwt.encode(crypt.RSASigner.from_service_account_info(key), said | times).decode())
    # Raised outside of what it is for: errors about the key quote it.
    raise ConfigError(f"{named} is no key file of a service account: download one as JSON")
