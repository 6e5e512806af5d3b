"""What came of the batches of plans, as the ledger has it: what tools answered, whom they refused and when. Asked here, written by `ledger`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from segment_pipeline.audiences.ledger_tables import batches, plans, row_outcomes
from segment_pipeline.audiences.places import Place, Transaction, in_utc
from segment_pipeline.audiences.plan import PlannedBatch
from segment_pipeline.delivery.destination import Operation


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """What became of one batch. `state`: planned, attempted, final, uncertain, unsent."""

    batch: PlannedBatch
    state: str
    requests: int
    rejected: Mapping[str, str]
    vendor_ids: Mapping[str, str]


class Answers:
    """Outcomes of all audiences' plans."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def outcome(self, digest: str) -> list[RecordedBatch]:
        """Each batch of a plan with what is known of it, by number."""
        with self._transaction() as c:
            rows = (
                c.execute(sa.select(batches).where(batches.c.plan == digest).order_by(batches.c.number))
                .mappings()
                .all()
            )
            told = c.execute(sa.select(row_outcomes).where(row_outcomes.c.plan == digest)).mappings().all()
        rejected: dict[int, dict[str, str]] = {}
        vendor_ids: dict[int, dict[str, str]] = {}
        for row in told:
            if row["outcome"] == "rejected":
                rejected.setdefault(row["batch"], {})[row["key"]] = row["reason"] or "rejected"
            elif row["vendor_id"] is not None:
                vendor_ids.setdefault(row["batch"], {})[row["key"]] = row["vendor_id"]
        return [
            RecordedBatch(
                batch_of(row),
                row["state"],
                row["requests"],
                rejected.get(row["number"], {}),
                vendor_ids.get(row["number"], {}),
            )
            for row in rows
        ]

    def refusals(self, place: Place) -> dict[str, str]:
        """Key → reason the tool last refused it for, at a place; of keys that it took later, too."""
        here = (plans.c.audience == place.audience) & (plans.c.destination == place.destination)
        query = (
            sa.select(row_outcomes.c.key, row_outcomes.c.reason)
            .join(plans, plans.c.digest == row_outcomes.c.plan)
            .where(here & (plans.c.remote_id == place.remote_id) & (row_outcomes.c.outcome == "rejected"))
            .order_by(plans.c.sequence, row_outcomes.c.batch)
        )
        with self._transaction() as c:
            return {key: reason or "rejected" for key, reason in c.execute(query)}

    def times(self, digests: Collection[str]) -> list[tuple[datetime, int]]:
        """When the final answer to each batch of these plans came, and of how many rows; the oldest first."""
        query = (
            sa.select(batches.c.ended_at, batches.c.rows)
            .where(batches.c.plan.in_(list(digests)) & (batches.c.state == "final"))
            .order_by(batches.c.ended_at)
        )
        with self._transaction() as c:
            return [(in_utc(ended_at), rows) for ended_at, rows in c.execute(query)]


def batch_of(row: RowMapping) -> PlannedBatch:
    return PlannedBatch(row["number"], row["phase"], Operation(row["operation"]), row["rows"])
