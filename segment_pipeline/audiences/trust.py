"""Whether what lake and ledger say can be gone by: both of one time, nothing of either lost.

The ledger knows the number of an audience's last fold, and the lake carries it; the lake has the rows of every plan, and the
ledger its digest; of the tables that say who must not be sent to, the ledger knows how far they were. Where one of them was
lost, or an older copy put back, they disagree, and nobody can tell what the tools hold but the tools.
"""

from collections.abc import Sequence
from typing import Final

from segment_pipeline.audiences import memory
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import CURRENT, LEFT, Place
from segment_pipeline.lake.lake import Lake

# Read as empty they would let those be sent to who said no.
DENYING: Final = ("consents", "suppressions")
REMEMBERED: Final = (memory.MEMBERS, "plan_rows", "sent_keys")


def adopted(lake: Lake, ledger: Ledger, audience: str, destination: str | None) -> None:
    """Places the lake remembers and the ledger does not, written down where the ledger was lost or is the older one; all in doubt.

    Of several at one tool the audience is kept where it was sent last, and the others were left. `destination`: where it is to be
    kept now; a ledger that has forgotten may have forgotten that it is there.
    """
    noted, carried = ledger.epoch(audience), memory.epoch(lake, audience)
    known = ledger.last_folded(audience) if noted is None else noted
    behind = carried > known and carried not in _begun(ledger, audience)
    if not behind and not (destination and unseen(lake, ledger, audience)):
        return
    if ledger.places.half_renamed(audience):
        # The lake knows it by its new name, and the ledger is about to.
        return
    why = "the ledger knows nothing of what the lake says was sent: it was lost, or an older one was put back"
    inherits = not ledger.places.all(audience)
    for at, remote_ids in _remembered(lake, audience).items():
        current = ledger.places.current(audience, at)
        if current and current.remote_id != remote_ids[0]:
            ledger.places.note(current, state=LEFT)
        for remote_id in remote_ids:
            place = ledger.places.at(audience, at, remote_id)
            holder = ledger.places.holder(at, remote_id)
            if holder not in (None, audience):
                ledger.places.end(ledger.places.at(holder, at, remote_id), "renamed")
            state = CURRENT if remote_id == remote_ids[0] else LEFT
            eldest = inherits or place.inherits
            ledger.places.note(place, state=state, inherits=eldest, doubt=place.doubt or why, ended=None)
            inherits = False
    if destination and not ledger.places.current(audience, destination):
        ledger.places.note(Place(audience, destination, inherits=inherits, doubt=why))


def _remembered(lake: Lake, audience: str) -> dict[str, list[str]]:
    """The ids by which tools know the places of an audience that the lake remembers members of, by tool; the one sent to last first."""
    with lake.session() as session:
        session.scan(memory.MEMBERS, partitions={"audience": [audience]}, lost=True)
        rows = session.rows(
            f"SELECT destination, coalesce(remote_id, '') AS remote_id FROM {memory.MEMBERS} WHERE destination IS NOT NULL "
            "GROUP BY destination, coalesce(remote_id, '') ORDER BY destination, max(refreshed_at) DESC, remote_id DESC"
        )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(str(row["destination"]), []).append(str(row["remote_id"]))
    return found


def disagreement(lake: Lake, ledger: Ledger, audience: str) -> str | None:
    """Why an audience's memory in lake and ledger is not of one time; None: it is. Asked before a killed run is finished."""
    missing = _missing(lake)
    if missing and not ledger.unused():
        return f"the lake has lost what was sent (table {missing[0]})"
    noted, carried = ledger.epoch(audience), memory.epoch(lake, audience)
    begun = _begun(ledger, audience)
    last = ledger.last_folded(audience)
    if noted is None and carried not in begun:
        if carried > last:
            return "the ledger does not know of the last plans the lake says were sent: it was lost, or an older one was put back"
        if last and lake.version(memory.MEMBERS) is None:
            return "the lake has lost what was sent (table audience_members)"
    elif noted is not None and carried != noted and carried not in begun:
        if carried == 0:
            return "the lake has lost what was sent (table audience_members)"
        if carried < noted:
            return "the lake is older than the ledger: an older one was put back"
        return "the ledger is older than the lake: an older one was put back"
    if unseen(lake, ledger, audience):
        return "the lake has plans that the ledger does not know of: it was lost, or an older one was put back"
    return None


def _begun(ledger: Ledger, audience: str) -> set[int]:
    """Numbers of the plans a killed run left: the lake may carry one that is not noted yet."""
    return {recorded.sequence for recorded in ledger.unfinished(audience)}


def begin(lake: Lake) -> None:
    """Let what is remembered begin anew where it is lost: what the tools hold is about to be found out."""
    for name in _missing(lake):
        lake.begin(name)


def _missing(lake: Lake) -> list[str]:
    return [name for name in REMEMBERED if lake.version(name) is None and lake.lost(name)]


def unseen(lake: Lake, ledger: Ledger, audience: str) -> set[str]:
    """Digests of plans whose rows are in the lake and that the ledger never recorded."""
    held = {str(entry["digest"]) for entry in lake.partitions("plan_rows") if entry["audience"] == audience}
    return held - ledger.digests(audience) if held else held


def acknowledged(lake: Lake, ledger: Ledger, audience: str) -> None:
    """That lake and ledger disagree is no longer a reason to doubt: what the tool holds is known, or written down as in doubt."""
    ledger.acknowledge(audience, unseen(lake, ledger, audience), memory.epoch(lake, audience))


def lost_denials(lake: Lake, ledger: Ledger, *, note: bool) -> Sequence[str]:
    """A sentence per table of denials that is lost or older than it was. `note`: remember it as it is now."""
    said = []
    for name in DENYING:
        seen = ledger.seen(name)
        now = lake.identity(name)
        if seen is None:
            why = "is lost" if now is None and lake.lost(name) else None
        elif seen[2]:
            why = seen[2]
        elif now is None:
            why = "is lost"
        elif now[0] != seen[0]:
            why = "was lost and begun anew"
        else:
            why = "is older than it was: an older one was put back" if now[1] < seen[1] else None
        if why:
            said.append(
                f"lost_denials: table {name} {why}, and nobody knows who said no: restore it, "
                f"or land it again and say so (`segment-pipeline accept {name}`)"
            )
        if note and now is not None and seen is None and not why:
            ledger.note_seen(name, *now)
        elif note and seen is not None and (why != seen[2] or (not why and now and now[1] > seen[1])):
            ledger.note_seen(name, *(seen[:2] if why or now is None else now), why)
    return said


def accept(lake: Lake, ledger: Ledger, name: str) -> None:
    """A person says that a table is to be gone by as it is now."""
    lake.begin(name)
    if name in DENYING and (now := lake.identity(name)):
        ledger.note_seen(name, *now)
