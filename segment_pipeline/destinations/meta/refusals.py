"""What Meta's Marketing API refuses, as an error sorted by what there is to do: its codes, its waits, its warnings.

Knows nothing of audiences.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from segment_pipeline import redact
from segment_pipeline.delivery.vendor import told
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

# Error codes of the Marketing API, as its error reference, its custom-audience guide and threads of its SDKs list them.
_BUSY: Final = frozenset({4, 17, 32, 341, 368, 613, 80003, 80004, 803})
_BROKEN: Final = frozenset({1, 2})
_CREDENTIALS: Final = frozenset({10, 102, 104, 190, 194, 200, 294})
_TERMS: Final = frozenset({2663, 2655, 1870034, 1870090})
_REPLACE: Final = 2650
_UPDATE_RUNNING: Final = 1870145
_SESSION_OVER: Final = frozenset({1870158, 1870159})
_TOO_FEW_LEFT: Final = 1870047
_INVALID: Final = 100
_MISSING: Final = (100, 33)
_VERSION_WARNING: Final = "x-ad-api-version-warning"


class TooFewLeft(RejectedRecords):
    """Meta refuses a removal that would leave too few people to keep them anonymous."""


class InvalidParameter(ContractError):
    """Code 100: in a call that carries rows, one of them may be to blame, and Meta does not say which."""


class Missing(ConfigError):
    """What the path names does not exist, or may not be used."""


class SessionOver(ContractError):
    """The session of a replacement has ended: by its last batch, or 90 minutes after its first."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """How one connector's refusals are told to a person: its name, and what its settings are called."""

    name: str
    version: str
    account: str
    token: str
    app_secret: str

    @property
    def terms(self) -> str:
        told = f"the custom-audience terms of ad account {self.account} are not accepted"
        return f"{told}: accept them at facebook.com/ads/manage/customaudiences/tos?act={self.account}"

    def error(self, response: Response) -> SegmentPipelineError | None:
        """None for an answer that is no refusal of Meta's own form."""
        if response.status_code < 400 and b'"error"' not in response.content[:512]:
            return None
        if (error := told(response, "error", dict)) is None:
            return None
        code, sub, message = error.get("code"), error.get("error_subcode"), str(error.get("message", ""))
        said = f"{self.name} refused a request (code {_number(code)}, subcode {_number(sub)})"
        if sub == _TOO_FEW_LEFT:
            return TooFewLeft(f"{said}: the removal would leave too few people in the audience")
        if (code, sub) == _MISSING:
            return Missing(f"{said}: the audience or account is gone, or {self.token} may not use it")
        if (act := self._to_do(code, sub, message)) is not None:
            return ConfigError(f"{said}: {act}")
        busy = code in _BUSY or (code, sub) == (_REPLACE, _UPDATE_RUNNING) or response.status_code == 429
        if busy or code in _BROKEN or error.get("is_transient") is True or response.status_code >= 500:
            why = "it is tried again later"
            if sub == _UPDATE_RUNNING:
                why = "a replacement of this audience is still open, for 90 minutes at most; it is tried again later"
            return TransientError(f"{said}: {why}", retry_after=_regain_access(response), sent=not busy)
        if sub in _SESSION_OVER:
            return SessionOver(f"{said}: the replacement's session is over; it is to be done again from the start")
        kind = InvalidParameter if code == _INVALID else ContractError
        return kind(f"{said}: {redact.text(message)}")

    def _to_do(self, code: Any, sub: Any, message: str) -> str | None:
        """What a person has to do about it; None: nothing."""
        if code in _TERMS or sub in _TERMS:
            return self.terms
        acts = {
            1870050: f"link ad account {self.account} to a business",
            1713230: "the audience is flagged, review its name in Ads Manager",
            2635: f"API version {self.version} has ended, set a newer `version`",
            2654: f"ad account {self.account} holds as many audiences as it may: delete some that nobody uses",
            3: "the app lacks a capability: give it access to the Marketing API and the permission ads_management",
        }
        if known := acts.get(sub) or acts.get(code):
            return known
        # A wrong proof is 104 by the reference, and in practice an invalid parameter (100) that names itself.
        if code in _CREDENTIALS or "appsecret_proof" in message:
            return f"renew {self.token} and check {self.app_secret} and the permission ads_management"
        return None


def version_warning(headers: Mapping[str, str]) -> str | None:
    """What Meta says of the version it was asked in: that another one answered. None: nothing."""
    said = headers.get(_VERSION_WARNING)
    return redact.text(said) if said else None


def _regain_access(response: Response) -> float | None:
    """Seconds until access is regained, by X-Business-Use-Case-Usage, which counts minutes; None when it does not say."""
    try:
        usage = json.loads(response.headers.get("x-business-use-case-usage", ""))
        minutes = max(use["estimated_time_to_regain_access"] for uses in usage.values() for use in uses)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return float(minutes) * 60 or None


def _number(code: Any) -> int | None:
    return code if isinstance(code, int) else None
