"""What the codes mean by which rows are rejected, and what to do about it: those of our own connectors' checks, and the tools' own."""

from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

OURS: Final[Mapping[str, str]] = {
    "no_identifier": "nothing by which the tool knows people may be sent: nothing to do, unless a source should have brought it",
    "not_a_hash": "a value is no SHA-256 in hex: a rule of the connector's identifiers is wrong, report it",
    "not_an_id": "an id holds characters the tool's requests cannot: correct it where it is made",
    "too_large": "with what goes along the member is larger than the tool takes: map fewer or shorter traits",
    "unknown_user": "the tool has never seen this user: they are tried again each day, until they use the product",
    "refused": "the tool refused a request, and this member when it was sent alone, and said no more: look the person up there",
    "rejected": "the tool rejected the member without a reason: look the person up there",
    "unknown": "it was refused before reasons were kept, or the record of it is lost: it is tried again within a week",
}
# Under these a tool that refuses somebody today may take them tomorrow: they are tried again after a day, not after a week.
PASSING: Final = ("unknown_user", "record_missing")
UNKNOWN: Final = "a code of the tool's own: its documents say what it means"


@runtime_checkable
class Explaining(Protocol):
    """A destination that says what its tool's codes mean: `code` → a sentence with what to do."""

    @property
    def reasons(self) -> Mapping[str, str]: ...


def meaning(destination: object, code: str) -> str:
    """What a code of a destination means and what to do; the tool's word for it comes first."""
    own = destination.reasons if isinstance(destination, Explaining) else {}
    return own.get(code) or OURS.get(code) or UNKNOWN
