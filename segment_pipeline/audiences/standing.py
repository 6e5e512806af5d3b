"""Where every audience stands: what each tool holds as far as we remember, what it was made from, and what nobody looks after.

Reads lake and ledger; asks no tool.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from segment_pipeline.audiences import trust
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import GONE, Place
from segment_pipeline.audiences.retire import left, why_left
from segment_pipeline.lake.lake import Lake

COUNTED = """
SELECT audience, destination, remote_id, CAST(count(*) AS BIGINT) AS keys, max(refreshed_at) AS last_sent
FROM audience_members GROUP BY audience, destination, remote_id
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """One audience at one tool.

    `keys`: destination keys remembered, refused ones included; `remote`: keys the tool told last (None: never asked, or it does not).
    `state`: `new` (never sent), `kept`, `gone` (its tool has it no more), `unverified` (what is remembered may not be what is there),
    `left_behind` (nobody declares it any more, and it is not retired). `as_of`, `memberships`: day and version of the memberships it stands on. `why`: what is wrong.
    """

    audience: str
    segment: str
    destination: str
    channel: str
    purpose: str
    keys: int = 0
    last_sent: datetime | None = None
    remote_id: str | None = None
    remote: int | None = None
    state: str = "new"
    as_of: date | None = None
    memberships: int | None = None
    why: str = ""


def standing(lake: Lake, ledger: Ledger, declared: Sequence[Audience]) -> list[Standing]:
    """One row per declared audience, in their order, then one per place that was left."""
    behind = left(lake, ledger, declared)
    with lake.session() as session:
        session.scan("audience_members", lost=True)
        rows = session.rows(COUNTED)
    found = []
    for audience in declared:
        place = ledger.places.of(audience)
        doubt = place.doubt or trust.disagreement(lake, ledger, audience.name)
        found.append(_standing(audience, place, doubt, rows))
    found = list(_behind(found))
    for place in behind:
        # Their rows tell the channel and purpose that were declared.
        one = _standing(place.denials({}), place, place.doubt, rows)
        found.append(replace(one, state="left_behind", why=why_left(place)))
    return found


def _standing(audience: Audience, place: Place, doubt: str | None, rows: Sequence[dict[str, object]]) -> Standing:
    theirs = [
        row
        for row in rows
        if row["audience"] == place.audience
        and (
            (row["destination"], row["remote_id"]) == (place.destination, place.remote_id)
            or (place.inherits and row["destination"] is None)
        )
    ]
    state, why = "kept" if place.remote_id else "new", ""
    if place.ended == GONE:
        state = GONE
        why = f"{place.destination} no longer has it: segment-pipeline audiences resend {audience.name}"
    elif doubt:
        state, why = "unverified", f"{doubt}: segment-pipeline audiences reconcile {audience.name}"
    return Standing(
        audience.name,
        audience.segment,
        place.destination,
        audience.channel,
        audience.purpose,
        keys=sum(int(str(row["keys"])) for row in theirs),
        last_sent=max((row["last_sent"] for row in theirs if isinstance(row["last_sent"], datetime)), default=None),
        remote_id=place.remote_id or None,
        remote=place.remote_keys,
        state=state,
        as_of=place.as_of,
        memberships=place.memberships,
        why=why,
    )


def _behind(found: Sequence[Standing]) -> Iterable[Standing]:
    """The same, with a word where another tool stands on newer memberships of the segment."""
    for one in found:
        newest = max(
            (other for other in found if other.segment == one.segment and other.as_of),
            key=lambda other: (other.as_of, other.memberships or 0),
            default=None,
        )
        older = newest and one.as_of and (one.as_of, one.memberships or 0) < (newest.as_of, newest.memberships or 0)
        if older and newest and not one.why:
            said = f"{newest.audience} at {newest.destination} stands on {newest.as_of}, version {newest.memberships}"
            yield replace(one, why=f"stands on {one.as_of}, version {one.memberships} of segment {one.segment}; {said}")
        else:
            yield one
