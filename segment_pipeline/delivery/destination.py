"""What a destination is: capabilities, batches that go in, receipts that come back. Declarations and protocols only.

Every destination is a `Destination`. One whose answers come later is `Asynchronous`, one that tells how many keys it holds is
`Countable` (or `Traceable`, if it only tells whether it has the audience, and `Findable`, if it does so by name), one that can erase
a person altogether `Erasing`; `Readable`, `Replaceable`, `Renameable` and `Deletable` are what a
tool needs for an audience to be reconciled, renamed and retired. Those that cannot, do not have the method.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from segment_pipeline.connector import Described
from segment_pipeline.errors import ConfigError, TransientError

if TYPE_CHECKING:
    import pyarrow as pa


class Operation(StrEnum):
    """What a batch does to an audience: `upsert` adds or refreshes members, `remove` takes them out of this audience only."""

    UPSERT = "upsert"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class IdentifierRule:
    """One identifier a destination takes.

    `column`: the name rows carry it under. `kind`: `email`, `phone`, `external_id` (ours), `user_id:<source>` (what a customer of that
    source is called there: the company's own id of its user), …
    `rule`: how the canonical value becomes the value as sent, with its version (`email/sha256/1`): a key of `identifiers.RULES`.
    """

    column: str
    kind: str
    rule: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a destination can do, from the vendor's documentation.

    `identifiers`: what a row may carry, strongest first; a member without any of them has no usable identifier.
    `batch_rows`, `batch_bytes`: the most one request takes. `parallel`: requests in flight at once. Of a tool that is `Asynchronous`
    `jobs`: how many may be under way at once (None: `parallel`), `job_seconds`: the longest one takes as a rule.
    `minimum_size`: the platform's smallest useful or legal audience (0: none).
    `matches_any_key`: the vendor matches a row on any one of its identifiers, so a removal must precede a re-key.
    `one_record`: the vendor keeps one record per person, found by the strongest identifier given, whatever else a row says.
    Neither: a row is held and removed as the whole tuple it was sent as.
    `every`: each of the ids that a person has of the one kind is a member of its own; else the best of them is. For ids alone:
    which addresses a person is to be reached under is said of each.
    `attributes`: rows may carry profile attributes. `along`: what of a person's profile goes with a row so that it is matched
    better: `kind` is a column of `profiles`, or `state`: country and region as `US-CA`, each empty where it is not known. The value
    stands among the row's attributes as `column`. A removal goes without it, so it is nothing for a tool that finds somebody by it
    alone, unless its connector's user has chosen that.
    `expires_after_days`: memberships lapse unless refreshed; None: never.
    """

    channel: str
    identifiers: tuple[IdentifierRule, ...]
    batch_rows: int
    batch_bytes: int
    parallel: int = 1
    jobs: int | None = None
    job_seconds: float = 1800.0
    minimum_size: int = 0
    matches_any_key: bool = False
    one_record: bool = False
    every: bool = False
    attributes: bool = False
    along: tuple[IdentifierRule, ...] = ()
    expires_after_days: int | None = None

    @property
    def under_way(self) -> int:
        """How many batches may be under way at once."""
        return max(1, self.parallel, self.jobs or 0)


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
class Receipt:
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

    @classmethod
    def final(
        cls,
        batch: Batch,
        rejected: Mapping[str, str] | None = None,
        vendor_ids: Mapping[str, str] | None = None,
        *,
        requests: int,
    ) -> "Receipt":
        """The vendor accepted every row of the batch that is not rejected."""
        rejected = rejected or {}
        return cls(batch.rows.num_rows - len(rejected), rejected, vendor_ids or {}, requests=requests)


class AudienceGone(ConfigError):
    """The vendor no longer has the audience: to be resent, which makes it anew."""


class JobLost(TransientError):
    """The vendor's job ended without its work done, or may have: its batch is to be sent again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=True)


@runtime_checkable
class Destination(Described, Protocol):
    """A tool that holds audiences. It applies changes and knows nothing of segments.

    Each call raises ConfigError (terms, credentials), TransientError (after its own retries; `sent` says whether the
    request may have arrived), RejectedRecords (the whole batch was refused for some rows) or ContractError.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def ensure_audience(self, name: str) -> str:
        """The vendor's id of the audience of that name, created if there is none; calling twice makes one."""

    def apply(self, batch: Batch) -> Receipt:
        """Apply one batch. At-least-once safe: the same batch twice leaves what one leaves."""


@runtime_checkable
class Asynchronous(Protocol):
    """A destination whose receipts may carry a `handle`."""

    def poll(self, handle: str, batch: Batch) -> Receipt:
        """The state of the batch behind a handle; `handle` still set while the vendor works on it.

        Raises JobLost; any other TransientError is of the question, which is asked again.
        """


@runtime_checkable
class Countable(Protocol):
    """A destination that tells what it holds."""

    def count(self, remote_id: str) -> int:
        """Destination keys the vendor holds, counted there and not estimated; raises AudienceGone. Cheap: asked at every sync."""


@runtime_checkable
class Traceable(Protocol):
    """A destination that does not tell how many it holds, but whether it still has an audience."""

    def exists(self, remote_id: str) -> bool:
        """Cheap: asked at every sync."""


@runtime_checkable
class Findable(Protocol):
    """A destination that does not tell how many it holds, but whether it has an audience of a name."""

    def find(self, name: str) -> str | None:
        """The id that `ensure_audience` would give; None: it would make one."""


@runtime_checkable
class Readable(Protocol):
    """A destination whose members can be read back, so that what it holds is known and not only believed."""

    def members(self, remote_id: str) -> "Iterator[pa.Table]":
        """What the tool holds, one row per member as the tool tells it: one column per `IdentifierRule.column` and `vendor_id`.

        A value is as it would be sent (hashed where we hash); NULL: the tool does not tell it. Raises AudienceGone, and
        ContractError where the reading may be incomplete: a part is never handed out as the whole.
        """


@runtime_checkable
class Replaceable(Protocol):
    """A destination that makes an audience exactly what it is given, and takes nobody out of it before the last step."""

    def replace(self, batches: "Sequence[Batch]") -> Iterator[Receipt]:
        """Make the audience hold the rows of these batches and nobody else; one receipt per batch, in their order.

        Until the last one is answered the members of before are all there, and at most those of these batches with them. Cut short,
        it is called anew from the first batch.
        """


@runtime_checkable
class Renameable(Protocol):
    """A destination that can call an audience by another name and keep its members."""

    def rename(self, remote_id: str, name: str) -> None:
        """Raises AudienceGone. Safe to repeat."""


@runtime_checkable
class Deletable(Protocol):
    """A destination that can delete an audience, its members with it (the people stay in the tool)."""

    def delete(self, remote_id: str) -> None:
        """One that is gone already counts as deleted. Safe to repeat."""


@runtime_checkable
class Erasing(Protocol):
    """A destination that can forget a person: take them out of all it holds, not of one audience."""

    def forget(self, batch: Batch) -> Receipt:
        """Erase whoever the rows name, by whichever identifiers they carry; unknown ones count as erased. Safe to repeat.

        The batch's `operation` and `remote_id` are not looked at. The receipt is final, though the vendor may take its time.
        """
