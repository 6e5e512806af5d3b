"""Frozen values that cross from one room to another: time windows, and the language of audiences and destinations.

Holds no behaviour beyond arithmetic on its own fields, and imports nothing but the standard library and pyarrow's types.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Window:
    """A contiguous run of company days, both ends included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"a window ends before it starts: {self.first} to {self.last}")

    @classmethod
    def of(cls, day: date) -> "Window":
        return cls(day, day)

    def days(self) -> Iterator[date]:
        for offset in range(len(self)):
            yield self.first + timedelta(days=offset)

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def widened(self, days_back: int) -> "Window":
        """The same window with `days_back` more days before it: the look-back for late records."""
        return Window(self.first - timedelta(days=days_back), self.last)

    def instants(self, timezone: str) -> tuple[datetime, datetime]:
        """UTC instants [start, end) of the window's days in an IANA time zone; 23- and 25-hour days included."""
        zone = ZoneInfo(timezone)
        start = datetime.combine(self.first, time(), zone)
        end = datetime.combine(self.last + timedelta(days=1), time(), zone)
        return start.astimezone(UTC), end.astimezone(UTC)


class Operation(StrEnum):
    """What a batch does to an audience: `upsert` adds or refreshes members, `remove` takes them out of this audience only."""

    UPSERT = "upsert"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class IdentifierRule:
    """One identifier a destination takes.

    `column`: the name rows carry it under. `kind`: `email`, `phone`, `external_id`, …
    `rule`: how the canonical value becomes the value as sent, with its version (`meta.email/1`): a key of `identifiers.RULES`.
    """

    column: str
    kind: str
    rule: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a destination can do, from the vendor's documentation.

    `identifiers`: what a row may carry, strongest first; a member without any of them has no usable identifier.
    `batch_rows`, `batch_bytes`: the most one request takes. `parallel`: requests in flight at once.
    `minimum_size`: the platform's smallest useful or legal audience (0: none).
    `matches_any_key`: the vendor matches a row on any one of its identifiers, so a removal must precede a re-key.
    `one_record`: the vendor keeps one record per person, found by the strongest identifier given, whatever else a row says.
    Neither: a row is held and removed as the whole tuple it was sent as.
    `attributes`: rows may carry profile attributes. `expires_after_days`: memberships lapse unless refreshed; None: never.
    """

    channel: str
    identifiers: tuple[IdentifierRule, ...]
    batch_rows: int
    batch_bytes: int
    parallel: int = 1
    minimum_size: int = 0
    matches_any_key: bool = False
    one_record: bool = False
    attributes: bool = False
    expires_after_days: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to apply to one remote audience in as few requests as the vendor allows.

    `rows`: Arrow table, one row per destination key, with `key` (our digest of the identifiers as sent), one column per
    `IdentifierRule.column` (value as sent; NULL: the member has none), `vendor_id` (NULL: not known) and `attributes`
    (JSON text; NULL: none). `plan` is the plan's digest, `number` the batch's number in it.
    """

    plan: str
    number: int
    operation: Operation
    remote_id: str
    rows: "pa.Table"


@dataclass(frozen=True, slots=True)
class BatchReceipt:
    """What a vendor said about one batch, read from the body and not from the status code.

    `handle`: the vendor's job to poll; None when the answer is final. `rejected` maps our key to a reason code.
    `vendor_ids` maps our key to the vendor's id where the answer tells it. accepted + len(rejected) = rows of the batch
    once final; while `handle` is set, `accepted` is 0.
    """

    accepted: int
    rejected: Mapping[str, str] = field(default_factory=dict)
    vendor_ids: Mapping[str, str] = field(default_factory=dict)
    handle: str | None = None
    requests: int = 1


@runtime_checkable
class Destination(Protocol):
    """A tool that holds audiences. It applies changes and knows nothing of segments.

    Each call raises ConfigError (terms, credentials), TransientError (after its own retries; `sent` says whether the
    request may have arrived), RejectedRecords (the whole batch was refused for some rows) or ContractError.
    """

    name: str

    @property
    def capabilities(self) -> Capabilities: ...

    def check(self) -> None:
        """Credentials work and terms are accepted; raises ConfigError with the way out."""

    def ensure_audience(self, name: str) -> str:
        """The vendor's id of the audience of that name, created if there is none; calling twice makes one."""

    def apply(self, batch: Batch) -> BatchReceipt:
        """Apply one batch. At-least-once safe: the same batch twice leaves what one leaves."""

    def poll(self, handle: str, batch: Batch) -> BatchReceipt:
        """The state of an asynchronous batch; `handle` still set while the vendor works on it."""

    def count(self, remote_id: str) -> int | None:
        """Destination keys the vendor holds; None when the vendor only gives estimates or nothing."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The accounting of one audience's sync. Numbers are members up to `eligible`, destination keys after it.

    candidates = sum(ineligible) + eligible
    desired = unchanged + added + updated + rejected + held + uncertain
    leaving (keys held before that are not desired) = removed + remove_rejected + held_removals + uncertain_removals

    `status`: `synced`; `partial` (some keys are uncertain, the next run settles them); `held` (a guard stopped the changes,
    explicit denials apart; `reasons` names it, `digests` holds what to approve); `planned` (nothing was to be sent);
    `failed` (`reasons` says why; what was sent is accounted for). `rejected` counts keys the tool refuses, lately or now.
    `requests`: requests that carried changes. `remote`: keys the tool holds: `counted` by the tool, or as its receipts say
    where it tells no number; None: not known.
    """

    audience: str
    destination: str
    status: str
    as_of: date | None
    candidates: int = 0
    ineligible: Mapping[str, int] = field(default_factory=dict)
    eligible: int = 0
    desired: int = 0
    unchanged: int = 0
    added: int = 0
    updated: int = 0
    rejected: int = 0
    held: int = 0
    uncertain: int = 0
    leaving: int = 0
    removed: int = 0
    remove_rejected: int = 0
    held_removals: int = 0
    uncertain_removals: int = 0
    requests: int = 0
    remote: int | None = None
    counted: bool = False
    digests: Sequence[str] = ()
    reasons: Sequence[str] = ()
