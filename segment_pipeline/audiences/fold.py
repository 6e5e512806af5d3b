"""Folds a plan and what came of it into `audience_members`, once per plan, and tells what happened to each key.

A fold is one Delta commit that carries the plan's number as application transaction: folding again changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences import memory
from segment_pipeline.audiences.answers import RecordedBatch
from segment_pipeline.audiences.ledger import RecordedPlan
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.plan import REPLACEMENT
from segment_pipeline.audiences.push import WITHHELD
from segment_pipeline.delivery.reasons import PASSING
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement, statement, trusted

STATES = {"batch": "INTEGER", "state": "VARCHAR"}
REFUSALS = {"batch": "INTEGER", "key": "VARCHAR", "reason": "VARCHAR"}
VENDOR_IDS = {"key": "VARCHAR", "vendor_id": "VARCHAR"}


def define_results(session: Session, recorded: RecordedPlan, outcome: Sequence[RecordedBatch]) -> None:
    """The view `results`: one row per change of the plan with `result`: done, rejected, withheld, uncertain, untouched."""
    plan = recorded.plan
    session.scan("plan_rows", partitions={"audience": [plan.audience], "digest": [plan.digest]}, lost=True)
    session.given("batch_states", STATES, [(b.batch.number, b.state) for b in outcome])
    refused = [(b.batch.number, key, reason) for b in outcome for key, reason in b.rejected.items()]
    _listed(session, "refusals", REFUSALS, refused)
    _listed(session, "told_vendor_ids", VENDOR_IDS, [told for b in outcome for told in b.vendor_ids.items()])
    session.define("results", statement("audiences", "results"), materialize=True, withheld=WITHHELD)


def _listed(session: Session, name: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Make rows a view that are one per key of a plan at the most, and hardly ever any."""
    if not rows:
        session.given(name, columns)
        return
    values = zip(*rows, strict=True)
    types = (pa.int32() if kind == "INTEGER" else pa.string() for kind in columns.values())
    arrays = [pa.array(each, kind) for each, kind in zip(values, types, strict=True)]
    session.register(name, pa.table(arrays, names=list(columns)))


def fold(lake: Lake, session: Session, place: Place, recorded: RecordedPlan, outcome: Sequence[RecordedBatch]) -> None:
    """Write what the place now holds. Leaves the view `results`. A replacement counts when all of it was answered, or not at all."""
    plan = recorded.plan
    define_results(session, recorded, outcome)
    if memory.epoch(lake, plan.audience) >= recorded.sequence or not session.value(
        "SELECT count(*) FROM results WHERE result <> 'untouched' OR batch = 0"
    ):
        return
    memory.scan(session, place, "members_before")
    if plan.kind == REPLACEMENT:
        if any(batch.state != "final" for batch in outcome):
            return
        session.define("members_before", "SELECT * FROM members_before_anywhere WHERE FALSE")
    after = statement("audiences", "members_after")
    session.define("members_after", after, digest=plan.digest, now=clock.now(), passing=PASSING)
    session.define("living_on", _living_on(plan.fields), materialize=True)
    memory.write(
        session,
        place,
        "SELECT m.* FROM members_after AS m LEFT JOIN living_on AS l ON l.key = m.key WHERE l.key IS NULL",
        sequence=recorded.sequence,
    )


def _living_on(fields: Sequence[str]) -> Statement:
    """One row per key that was not sent because its record lives on, once the key it lives on under is confirmed."""
    parts = " UNION ALL ".join(
        f"SELECT r.key FROM results AS r JOIN members_after AS m "
        f"ON json_extract_string(m.identifiers, {literal(path)}) = json_extract_string(r.identifiers, {literal(path)}) "
        f"AND m.key <> r.key AND m.state = 'confirmed' WHERE r.batch = 0"
        for path in (f'$."{f}"' for f in fields)
    )
    return trusted("audiences/living_on", f"SELECT DISTINCT key FROM ({parts})")


def keep_house(session: Session, place: Place) -> None:
    """Write down owners that changed under unchanged keys, and forget refusals of keys nobody desires any more."""
    memory.scan(session, place, "members_to_keep")
    memory.write(session, place, statement("audiences", "kept_members"))
