"""How the connector signs in: by the refresh token of somebody who may use the ad account, or as a service account."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segment_pipeline.connector import require, value
from segment_pipeline.delivery.oauth import by_refresh_token, fresh
from segment_pipeline.delivery.vendor import Remote, variable
from segment_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPE: Final = "https://www.googleapis.com/auth/datamanager"
_FILE: Final = "service_account_file"


def signed_in(connector: Remote) -> "Credentials":
    if file := value(connector, _FILE):
        return fresh(_of_service_account(connector, Path(file)), connector, key=_FILE)
    return by_refresh_token(connector, SCOPE)


def present(connector: Remote) -> None:
    """Offline: raises ConfigError naming the first variable that is missing, of the way of signing in that is chosen."""
    if not value(connector, _FILE):
        require(connector, "client_id", "client_secret", "refresh_token")


def signs_in_by(connector: Remote) -> str:
    """The variable a person is told to check."""
    return variable(connector, _FILE if value(connector, _FILE) else "refresh_token")


def _of_service_account(connector: Remote, file: Path) -> "Credentials":
    from google.oauth2.service_account import Credentials

    with suppress(OSError, ValueError, TypeError):
        key = json.loads(file.read_text()) | {"token_uri": value(connector, "token_url")}
        made: Credentials = Credentials.from_service_account_info(key, scopes=[SCOPE])
        return made
    # Raised outside of what it is for: errors about the key quote it.
    raise ConfigError(f"{signs_in_by(connector)} is no key file of a service account: download one as JSON")
