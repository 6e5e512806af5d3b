"""What the Data Manager API refuses, as an error sorted by what there is to do: Google's reasons, and the rows it names.

Knows nothing of audiences.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from segment_pipeline import redact
from segment_pipeline.delivery.vendor import told
from segment_pipeline.destinations.google.uploads import row_in
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

_MISSING: Final = frozenset({"NOT_FOUND", "PERMISSION_DENIED", "INVALID_USER_LIST_ID", "INVALID_DESTINATION"})
# Of a member, whether or not Google says of which.
_OF_A_MEMBER: Final = frozenset(
    "INVALID_AUDIENCE_MEMBER INVALID_SHA256_FORMAT INVALID_HEX_ENCODING INVALID_POSTAL_CODE INVALID_COUNTRY_CODE"
    " INVALID_REGION_CODE NO_IDENTIFIERS_PROVIDED TOO_MANY_USER_IDENTIFIERS".split()
)
_TERMS: Final = "accept the customer data terms in Google Ads, under Admin, Account settings"
_ADMITTED: Final = "the account is not admitted to Customer Match: see Google's requirements for it, or ask its support"


class Missing(ConfigError):
    """What the request is about does not exist, or may not be used; Google does not tell which."""


class NameTaken(ConfigError):
    """Another list of the account is called so."""


class Unknown(ContractError):
    """Google does not know a request by this id: not yet, or no longer."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """How one connector's refusals are told to a person: its name, its account, and what its settings are called."""

    name: str
    customer: str
    credential: str
    login: str

    def error(self, response: Response) -> SegmentPipelineError | None:
        """None for an answer that is no refusal, and for one whose status says all there is to do."""
        if response.status_code < 400 or (error := told(response, "error", dict)) is None:
            return None
        violations = list(_details(error, "fieldViolations"))
        reasons = [str(each.get("reason")) for each in (*_infos(error), *violations) if each.get("reason")]
        reasons = reasons or [str(error.get("status"))]
        said = f"{self.name} refused a request ({', '.join(dict.fromkeys(map(redact.code, reasons)))})"
        if response.status_code == 429 or error.get("status") == "RESOURCE_EXHAUSTED":
            return TransientError(f"{said}: it is over its limit; it is tried again later")
        if response.status_code >= 500:
            return TransientError(f"{said}: it is tried again later", sent=True)
        rows = {
            place: redact.code(each.get("reason") or reasons[0]).lower()
            for each in violations
            if (place := row_in(str(each.get("field")))) is not None
        }
        if rows or _OF_A_MEMBER.intersection(reasons):
            return RejectedRecords(f"{said} for members it does not take", rows=rows)
        return self._of_request(said, reasons, response.status_code) or ContractError(
            f"{said}: {redact.text(str(error.get('message', '')))}"
        )

    def _of_request(self, said: str, reasons: list[str], status: int) -> SegmentPipelineError | None:
        if "DISPLAY_NAME_ALREADY_USED" in reasons:
            return NameTaken(f"{said}: another list has the name of ours, rename that one in Google Ads")
        if "INVALID_REQUEST_ID" in reasons:
            return Unknown(f"{said}: its batch is to be sent again")
        if act := next((act for reason in reasons if (act := self._to_do(reason))), None):
            return ConfigError(f"{said}: {act}")
        if status == 401:
            return ConfigError(f"{said}: check {self.credential} and its scope")
        if _MISSING.intersection(reasons) or status in {403, 404}:
            what = f"the list or ad account {self.customer} is gone, or {self.credential} may not use it"
            return Missing(f"{said}: {what}; an account under a manager needs {self.login}")
        return None

    def _to_do(self, reason: str) -> str | None:
        """What a person has to do about it; None: nothing."""
        return {
            "ADVERTISER_TOS_NOT_ACCEPTED": _TERMS,
            "TERMS_AND_CONDITIONS_NOT_SIGNED": _TERMS,
            "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED": f"declare in Google Ads which campaigns of account {self.customer} are political advertising in the EU",
            "NOT_ALLOWLISTED": _ADMITTED,
            "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA": _ADMITTED,
            "USER_LIST_TYPE_NOT_SUPPORTED_FOR_ACCOUNT": _ADMITTED,
            "MEMBERSHIP_DURATION_TOO_LONG": "set a smaller `membership_days`",
            "SENSITIVE_USER_LIST_IMMUTABLE": "Google takes the list for sensitive and has frozen it: make it anew, or ask its support",
            "OWNERSHIP_REQUIRED_FOR_UPDATE": "the list is shared by another account, which alone may change it",
            "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH": f"check {self.login}",
            "SERVICE_DISABLED": "switch the Data Manager API on in the Google Cloud project of the credentials",
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT": f"make {self.credential} anew with the scope of the Data Manager API",
        }.get(reason)


def _infos(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The details with a reason of their own."""
    return (each for each in error.get("details") or [] if isinstance(each, Mapping) and "reason" in each)


def _details(error: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    for each in error.get("details") or []:
        if isinstance(each, Mapping):
            yield from (one for one in each.get(name) or [] if isinstance(one, Mapping))
