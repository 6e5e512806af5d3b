"""Rows keyed by the customer's own user ids, as product and messaging tools know people. Knows no vendor."""

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, IdentifierRule

COLUMN: Final = "user_id"


def user_id(source: str) -> IdentifierRule:
    """The identifier of a tool whose users have the ids that customers have in `source`."""
    return IdentifierRule(COLUMN, f"user_id:{source}", "user_id/plain/1")


def fit(
    batch: Batch, most: int, name: str, never: Mapping[str, str] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """User id → key of the rows that may be sent, and key → reason of the others; `never`: reasons by the ids that may not.

    Raises ContractError, before anything is sent, for more rows than one batch may hold.
    """
    bodies.refuse_oversize(batch, most, name)
    reasons = {"": "no_identifier", **(never or {})}
    ids, refused = dict[str, str](), dict[str, str]()
    rows: pa.Table = batch.rows
    for key, given in zip(rows.column("key").to_pylist(), rows.column(COLUMN).to_pylist(), strict=True):
        if reason := reasons.get(given or ""):
            refused[key] = reason
        else:
            ids[given] = key
    return ids, refused
