"""Folds a plan and what came of it into `audience_members`, once per plan, and tells what happened to each key.

A fold is one Delta commit that carries the plan's number as application transaction: folding again changes nothing.
"""

from collections.abc import Sequence

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences.ledger import RecordedBatch, RecordedPlan
from segment_pipeline.audiences.push import WITHHELD
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement, generated, statement

RESULTS = pa.schema([("batch", pa.int32()), ("state", pa.string())])
REFUSALS = pa.schema([("batch", pa.int32()), ("key", pa.string()), ("reason", pa.string())])
VENDOR_IDS = pa.schema([("key", pa.string()), ("vendor_id", pa.string())])


def application(audience: str) -> str:
    """The name folds of an audience are counted under in the Delta log."""
    return f"audience:{audience}"


def define_results(session: Session, recorded: RecordedPlan, outcome: Sequence[RecordedBatch]) -> None:
    """The view `results`: one row per change of the plan with `result`: done, rejected, withheld, uncertain, untouched."""
    plan = recorded.plan
    session.scan("plan_rows", partitions={"audience": [plan.audience], "digest": [plan.digest]})
    session.register(
        "batch_states",
        pa.Table.from_pylist([{"batch": b.batch.number, "state": b.state} for b in outcome], RESULTS),
    )
    session.register(
        "refusals",
        pa.Table.from_pylist(
            [
                {"batch": b.batch.number, "key": key, "reason": reason}
                for b in outcome
                for key, reason in b.rejected.items()
            ],
            REFUSALS,
        ),
    )
    session.register(
        "told_vendor_ids",
        pa.Table.from_pylist(
            [{"key": key, "vendor_id": told} for b in outcome for key, told in b.vendor_ids.items()], VENDOR_IDS
        ),
    )
    session.define("results", statement("audiences", "results"), materialize=True, withheld=WITHHELD)


def fold(lake: Lake, session: Session, recorded: RecordedPlan, outcome: Sequence[RecordedBatch]) -> None:
    """Write what the audience now holds. Leaves the view `results`."""
    plan = recorded.plan
    define_results(session, recorded, outcome)
    marked = lake.marked("audience_members", application(plan.audience)) or 0
    if marked >= recorded.sequence or not session.value(
        "SELECT count(*) FROM results WHERE result <> 'untouched' OR batch = 0"
    ):
        return
    session.scan("audience_members", partitions={"audience": [plan.audience]}, alias="members_before")
    session.define(
        "members_after",
        statement("audiences", "members_after"),
        audience=plan.audience,
        digest=plan.digest,
        now=clock.now(),
    )
    session.define("living_on", _living_on(plan.fields), materialize=True)
    session.replace(
        "audience_members",
        "SELECT m.* FROM members_after AS m LEFT JOIN living_on AS l ON l.key = m.key WHERE l.key IS NULL",
        {"audience": [plan.audience]},
        marker=(application(plan.audience), recorded.sequence),
    )


def _living_on(fields: Sequence[str]) -> Statement:
    """One row per key that was not sent because its record lives on, once the key it lives on under is confirmed."""
    parts = " UNION ALL ".join(
        f"SELECT r.key FROM results AS r JOIN members_after AS m "
        f"ON json_extract_string(m.identifiers, {literal(path)}) = json_extract_string(r.identifiers, {literal(path)}) "
        f"AND m.key <> r.key AND m.state = 'confirmed' WHERE r.batch = 0"
        for path in (f'$."{f}"' for f in fields)
    )
    return generated("audiences/living_on", f"SELECT DISTINCT key FROM ({parts})")


def keep_house(session: Session, audience: str) -> None:
    """Write down owners that changed under unchanged keys, and forget refusals of keys nobody desires any more."""
    session.scan("audience_members", partitions={"audience": [audience]}, alias="members_to_keep")
    session.replace("audience_members", statement("audiences", "kept_members"), {"audience": [audience]})
