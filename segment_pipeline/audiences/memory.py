"""What we remember a place to hold: the rows of `audience_members` that are one place's, read, written and made anew.

Every write carries the number of a plan, so that ledger and lake can be told to be of one time. Decides nothing about who
should be in an audience.
"""

import hashlib
import json
from typing import Final

from segment_pipeline import clock
from segment_pipeline.audiences import sent
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.plan import Plan
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement
from segment_pipeline.lake.tables import table

MEMBERS: Final = "audience_members"
NOBODY: Final = "SELECT * FROM audience_members WHERE FALSE"
_THEIRS: Final = "(m.destination = $destination AND m.remote_id = $remote_id) OR ($inherits AND m.destination IS NULL)"
_OF_PLACE: Final = ("audience", "destination", "remote_id")


def application(audience: str) -> str:
    """The name folds of an audience are counted under in the Delta log."""
    return f"audience:{audience}"


def epoch(lake: Lake, audience: str) -> int:
    """The number of the last write of an audience's memory that the lake carries; 0: none."""
    return lake.marked(MEMBERS, application(audience)) or 0


def last(lake: Lake, ledger: Ledger, audience: str) -> int:
    """The greatest number of an audience's plans that lake or ledger know of, were the other lost or put back; 0: none."""
    return max(epoch(lake, audience), sent.number(lake, audience), ledger.last_folded(audience))


def scan(session: Session, place: Place, alias: str = MEMBERS) -> None:
    """Make what a place is remembered to hold a view."""
    _scan(session, place, alias, _THEIRS)


def _scan(session: Session, place: Place, alias: str, whose: str) -> None:
    # One that is lost puts every audience in doubt (see `trust`): its denials still go out by whatever else is known.
    session.scan(MEMBERS, partitions={"audience": [place.audience]}, alias=f"{alias}_anywhere", lost=True)
    session.define(
        alias,
        f"SELECT m.* FROM {quote(f'{alias}_anywhere')} AS m WHERE {whose}",
        destination=place.destination,
        remote_id=place.remote_id,
        inherits=place.inherits,
    )


def write(session: Session, place: Place, query: Statement | str, *, sequence: int | None = None) -> None:
    """Make a query's rows what a place is remembered to hold, in one commit; those of the audience's other places stay.

    The query gives the columns of `audience_members` but for those that say which place they are of. `sequence`: number of the plan.
    """
    session.define("members_to_write", query)
    _scan(session, place, "members_elsewhere", f"NOT coalesce({_THEIRS}, FALSE)")
    names = table(MEMBERS).names
    here = ", ".join(f"CAST(${c} AS VARCHAR) AS {c}" if c in _OF_PLACE else quote(c) for c in names)
    there = ", ".join(quote(c) for c in names)
    session.replace(
        MEMBERS,
        f"SELECT {here} FROM members_to_write UNION ALL SELECT {there} FROM members_elsewhere",
        {"audience": [place.audience]},
        marker=(application(place.audience), sequence) if sequence else None,
        audience=place.audience,
        destination=place.destination,
        remote_id=place.remote_id,
    )


def make(ledger: Ledger, session: Session, place: Place, kind: str, query: Statement | str) -> None:
    """As `write`, under a plan of its own that sends nothing: for what is learnt or done otherwise than by batches.

    `kind`: what the plan is called in the ledger. Killed between, the place is as before or as after.
    """
    base = last(session.lake, ledger, place.audience)
    header = json.dumps([place.audience, place.destination, place.remote_id, kind, base])
    digest = hashlib.sha256(header.encode()).hexdigest()[:32]
    plan = Plan(digest, place.audience, place.destination, kind, clock.now().date(), (), (), place.remote_id)
    recorded = ledger.record(plan, held=False, inputs=session.inputs, floor=base)
    write(session, place, query, sequence=recorded.sequence)
    ledger.folded(digest, recorded.sequence)
