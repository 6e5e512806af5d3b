"""Every identifier that was ever sent, as a keyed hash: who is ours where memory is lost, and where erasure has to look.

The key is in the ledger and the hashes are in the lake; neither tells anything without the other.
"""

import hashlib

from segment_pipeline import clock
from segment_pipeline.audiences.ledger import RecordedPlan
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

SECRET = "sent_keys"  # noqa: S105  its name in the ledger


def keys(secret: str) -> tuple[str, str]:
    """What a value is hashed with, within and without: two hashes, so that nothing can be appended to what was hashed."""
    inner, outer = (hashlib.sha256(f"{place}:{secret}".encode()).hexdigest() for place in ("inner", "outer"))
    return inner, outer


def key_id(secret: str) -> str:
    """Which keys values were hashed with."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def number(lake: Lake, audience: str) -> int:
    """The number of the last plan of an audience whose keys were written down; 0: none."""
    return lake.marked("sent_keys", _application(audience)) or 0


def _application(audience: str) -> str:
    return f"sent:{audience}"


def scan(session: Session, destination: str) -> None:
    session.scan("sent_keys", partitions={"destination": [destination]}, lost=True)


def keep(session: Session, place: Place, shape: Shape, recorded: RecordedPlan, secret: str) -> None:
    """Write down what a plan is about to send, from its rows in `plan_rows`; once per plan, however often it is called."""
    digest = recorded.plan.digest
    if number(session.lake, place.audience) >= recorded.sequence:
        return
    session.scan("plan_rows", partitions={"audience": [place.audience], "digest": [digest]}, alias="rows_to_send")
    session.define("to_send", "SELECT owners, identifiers FROM rows_to_send WHERE operation = 'upsert' AND batch <> 0")
    if not session.value("SELECT count(*) FROM to_send"):
        return
    session.define("to_send_wide", shape.wide("to_send"))
    session.define("to_send_long", shape.long("to_send_wide", "owners"))
    inner, outer = keys(secret)
    session.define(
        "sent_now",
        statement("audiences", "sent"),
        destination=place.destination,
        digest=digest,
        now=clock.now(),
        key_id=key_id(secret),
        inner_key=inner,
        outer_key=outer,
    )
    session.append("sent_keys", "SELECT * FROM sent_now", marker=(_application(place.audience), recorded.sequence))
