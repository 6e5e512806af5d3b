"""What is uploaded to Google: members with their identifiers and consent, and what became of the request that carried them.

Sends nothing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.compute as pc

from segment_pipeline import redact
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import IdentifierRule
from segment_pipeline.delivery.vendor import at
from segment_pipeline.errors import ContractError

# Google's name of each column.
KEYS: Final = {"email": "emailAddress", "phone": "phoneNumber"}
ALONG: Final = (
    IdentifierRule("givenName", "first_name", "name/lower-sha256/1"),
    IdentifierRule("familyName", "last_name", "name/lower-sha256/1"),
    IdentifierRule("regionCode", "country", "country/code/1"),
    IdentifierRule("postalCode", "postcode", "postcode/plain/1"),
)
TERMS: Final = {"termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"}}
_ROW: Final = re.compile(r"audience_?[mM]embers\[(\d+)\]")
_ADDRESS: Final = re.compile(r"\baddress\b")
_REASON: Final = re.compile(r"^PROCESSING_ERROR_(REASON_)?")


def body_of(rows: pa.Table, lists: Sequence[Mapping[str, Any]], consent: Mapping[str, str] | None) -> bytes:
    """A request that ingests the rows into lists, each member under this consent; without one, it removes them."""
    ending = f',"consent":{json.dumps(consent)}}}' if consent else "}"
    # Nothing to escape: hashes in hex, codes of letters and digits.
    members = bodies.joined('{"userData":{"userIdentifiers":[', _identifiers(rows), "]}", ending)
    told = {"destinations": lists, "encoding": "HEX"} | (TERMS if consent else {})
    return b"".join((json.dumps(told)[:-1].encode(), b',"audienceMembers":[', members, b"]}"))


def _identifiers(rows: pa.Table) -> pa.ChunkedArray:
    known = [
        pc.binary_join_element_wise(f'{{"{name}":"', rows.column(column), '"}', "") for column, name in KEYS.items()
    ]
    return pc.binary_join_element_wise(*known, *_addresses(rows), ",", null_handling="skip")


def _addresses(rows: pa.Table) -> list[pa.ChunkedArray]:
    """The address that goes along with each row: whole, or none; nothing where no row has any."""
    if rows.column("attributes").null_count == rows.num_rows:
        return []
    values = {rule.column: f"json_extract_string(attributes, '$.{rule.column}')" for rule in ALONG}
    whole = " AND ".join(
        f"regexp_full_match({held}, '{bodies.HEX}')" if name.endswith("Name") else f"{held} IS NOT NULL"
        for name, held in values.items()
    )
    told = " || ',' || ".join(f"'\"{name}\":\"' || {held} || '\"'" for name, held in values.items())
    address = f"CASE WHEN {whole} THEN '{{\"address\":{{' || {told} || '}}}}' END AS address"
    return [bodies.of_each(address, rows).column("address")]


def row_in(field: str) -> int | None:
    """The position of the member a field's path leads through; None: it is no member's."""
    found = _ROW.search(field)
    return int(found[1]) if found else None


def spoilt(warnings: Sequence[Mapping[str, Any]], rows: pa.Table) -> dict[int, str]:
    """Position → reason of the rows of which warnings left nothing: Google drops a field it warns of and takes the rest."""
    dropped: dict[int, dict[str, str]] = {}
    for warning in warnings:
        field = str(warning.get("field"))
        place = None if _ADDRESS.search(field) else row_in(field)
        if place is not None and place < rows.num_rows:
            dropped.setdefault(place, {})[field] = redact.code(warning.get("reason")).lower()
    known = [rows.column(column).is_valid() for column in KEYS]
    return {
        place: next(iter(fields.values()))
        for place, fields in dropped.items()
        if len(fields) >= sum(valid[place].as_py() for valid in known)
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request at one list. `failed`: how many members, by Google's count; `reason`: why most of them."""

    state: str = "PROCESSING"
    members: int | None = None
    failed: int = 0
    reason: str = ""

    @property
    def ended(self) -> bool:
        return self.state not in {"PROCESSING", "REQUEST_STATUS_UNKNOWN"}

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> Self:
        counted = {
            redact.code(_REASON.sub("", str(count.get("reason")))).lower(): _number(count.get("recordCount"))
            for count in (status.get("errorInfo") or {}).get("errorCounts") or []
        }
        told = status.get("audienceMembersIngestionStatus") or status.get("audienceMembersRemovalStatus") or {}
        data = told.get("userDataIngestionStatus") or told.get("userDataRemovalStatus") or {}
        return cls(
            state=str(status.get("requestStatus", "REQUEST_STATUS_UNKNOWN")),
            members=_number(data["recordCount"]) if "recordCount" in data else None,
            failed=sum(counted.values()),
            reason=max(counted, key=counted.__getitem__, default="failed"),
        )


def outcomes(answer: Any, lists: int) -> list[Outcome]:
    """What an answer about a request to so many lists says of each of them."""
    told = [Outcome.of(status) for status in at(answer, "requestStatusPerDestination", of="Google", kind=list)]
    if len(told) != lists:
        raise ContractError(
            f"Google told of {len(told)} lists of a request to {lists}: its rows may or may not be there"
        )
    return told


def _number(told: Any) -> int:
    """Numbers of 64 bits come as texts."""
    return int(told) if str(told).isdigit() else 0
