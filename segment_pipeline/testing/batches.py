"""What the suites of destinations send: made-up people as the batches a tool is given, and what becomes of them. Asserts nothing."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from segment_pipeline.delivery.destination import (
    Asynchronous,
    Batch,
    Countable,
    Destination,
    Operation,
    Readable,
    Receipt,
)
from segment_pipeline.errors import TransientError
from segment_pipeline.identifiers import RULES

PLAN = "5ee1" * 16
Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Person:
    """Canonical identifiers of a made-up person."""

    email: str | None = None
    phone: str | None = None
    attributes: str | None = None
    external_id: str | None = None
    user_id: str | None = None


def crowd(size: int, first: int = 0) -> list[Person]:
    """Every second person has a phone too."""
    return [
        Person(f"shopper{i}@quiet.shop", f"+1415555{i:04d}" if i % 2 else None, user_id=f"user-{i:04d}")
        for i in range(first, first + size)
    ]


def key_of(destination: Destination, person: Person) -> Key:
    """The destination key as sent."""
    return tuple(
        RULES[rule.rule].apply(known) if (known := getattr(person, rule.kind.partition(":")[0])) is not None else None
        for rule in destination.capabilities.identifiers
    )


def keys_of(destination: Destination, people: Iterable[Person]) -> set[Key]:
    return {key_of(destination, person) for person in people}


def digest(key: Key) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()


def batch(
    destination: Destination,
    remote_id: str,
    people: Sequence[Person],
    operation: Operation = Operation.UPSERT,
    *,
    number: int = 1,
    vendor_ids: Mapping[str, str] | None = None,
) -> Batch:
    keys = [key_of(destination, person) for person in people]
    digests = [digest(key) for key in keys]
    columns = [rule.column for rule in destination.capabilities.identifiers]
    rows = pa.table(
        {
            "key": pa.array(digests, pa.string()),
            **{c: pa.array([key[i] for key in keys], pa.string()) for i, c in enumerate(columns)},
            "vendor_id": pa.array([(vendor_ids or {}).get(d) for d in digests], pa.string()),
            "attributes": pa.array([person.attributes for person in people], pa.string()),
        }
    )
    return Batch(PLAN, number, operation, remote_id, rows)


def settle(destination: Destination, work: Batch) -> Receipt:
    """Apply, and poll until the answer is final."""
    receipt = destination.apply(work)
    for _ in range(30):
        if receipt.handle is None:
            return receipt
        assert isinstance(destination, Asynchronous)
        receipt = destination.poll(receipt.handle, work)
    raise AssertionError("the batch never became final")


def settle_again(destination: Destination, work: Batch, tries: int = 6) -> Receipt:
    """What the push does: the same batch again after a failure that may pass."""
    for last in range(tries):
        try:
            return settle(destination, work)
        except TransientError:
            if last == tries - 1:
                raise
    raise AssertionError


def read(destination: Readable, remote_id: str, columns: Sequence[str]) -> list[Key]:
    """Everybody it tells of, each as a key as sent."""
    return [tuple(row[c] for c in columns) for table in destination.members(remote_id) for row in table.to_pylist()]


def counts(destination: Destination, remote_id: str) -> int | None:
    """What it says it holds; None where it cannot be asked."""
    return destination.count(remote_id) if isinstance(destination, Countable) else None
