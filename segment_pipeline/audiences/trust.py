"""Whether what lake and ledger say can be gone by: both of one time, nothing of either lost.

The ledger knows the number of an audience's last fold, and the lake carries it; the lake has the rows of every plan, and the
ledger its digest; of the tables that say who must not be sent to, the ledger knows how far they were. Where one of them was
lost, or an older copy put back, they disagree, and nobody can tell what the tools hold but the tools.
"""

from collections.abc import Sequence
from typing import Final

from segment_pipeline.audiences import memory
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import Place
from segment_pipeline.lake.lake import Lake

# Read as empty they would let those be sent to who said no.
DENYING: Final = ("consents", "suppressions")
REMEMBERED: Final = (memory.MEMBERS, "plan_rows", "sent_keys")


def adopted(lake: Lake, ledger: Ledger, audience: str, destination: str | None) -> None:
    """Places the lake remembers and the ledger does not, written down. Every one of them is in doubt: the ledger was lost."""
    known = ledger.places.all(audience) or ledger.epoch(audience) is not None
    if known or not memory.epoch(lake, audience):
        return
    why = "the ledger knows nothing of what the lake says was sent: it was lost, or an older one was put back"
    with lake.session() as session:
        session.scan(memory.MEMBERS, partitions={"audience": [audience]})
        rows = session.rows(f"SELECT DISTINCT destination, remote_id FROM {memory.MEMBERS}")
    found = [(row["destination"], row["remote_id"]) for row in rows if row["destination"]]
    for number, (at, remote_id) in enumerate(sorted(found)):
        ledger.places.note(Place(audience, at, remote_id or "", inherits=number == 0, doubt=why))
    if not found and destination:
        ledger.places.note(Place(audience, destination, inherits=True, doubt=why))


def disagreement(lake: Lake, ledger: Ledger, audience: str) -> str | None:
    """Why an audience's memory in lake and ledger is not of one time; None: it is. Asked before a killed run is finished."""
    missing = _missing(lake)
    if missing and not ledger.unused():
        return f"the lake has lost what was sent (table {missing[0]})"
    noted, carried = ledger.epoch(audience), memory.epoch(lake, audience)
    begun = {recorded.sequence for recorded in ledger.unfinished(audience)}
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
