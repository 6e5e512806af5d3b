"""One audience under another name: in the lake, in the ledger, and at its tools where they can rename.

Killed anywhere, the same call finishes it; nothing is sent for either name until then.
"""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from segment_pipeline.audiences import memory, trust
from segment_pipeline.audiences.audience import NAME, Audience
from segment_pipeline.audiences.lease import acquire, release
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.ledger_tables import approvals, epochs, places, plans, renames
from segment_pipeline.audiences.places import RETIRED, Place
from segment_pipeline.audiences.push import patiently
from segment_pipeline.delivery.destination import AudienceGone, Destination, Renameable
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import migrations
from segment_pipeline.lake.lake import Lake


def rename(
    lake: Lake,
    ledger: Ledger,
    old: str,
    new: str,
    *,
    declared: Sequence[Audience] = (),
    destinations: Mapping[str, Destination] | None = None,
) -> int:
    """Give an audience another name; returns the rows of the lake that changed. A tool that cannot rename keeps its name for it.

    Raises ConfigError for a name that is no name, that somebody has, or that nobody has.
    """
    if not NAME.fullmatch(new) or old == new:
        raise ConfigError(f"audience {old} cannot be named {new!r}: a name is lower-case letters, digits and _")
    held = [acquire(ledger, name) for name in sorted((old, new))]
    try:
        begun = _begun(ledger, old, new)
        if not begun:
            _check(lake, ledger, old, new)
            trust.adopted(lake, ledger, old, None)
            if why := trust.disagreement(lake, ledger, old):
                # What is in doubt under the old name stays so under the new one.
                ledger.places.doubt(old, why)
            with ledger.transaction() as c:
                c.execute(renames.insert().values(old=old, new=new))
        # An audience that was retired may have had the name: numbers go on from the greater one.
        epoch = max(memory.epoch(lake, old), memory.epoch(lake, new))
        rows = migrations.rename(lake, "audience", old, new, marker=(memory.application(new), epoch))
        known = ledger.epoch(old) is not None or ledger.epoch(new) is not None
        with ledger.transaction() as c:
            c.execute(places.delete().where((places.c.audience == new) & (places.c.state == RETIRED)))
            # Whoever takes the old name next begins where it ended. A ledger that was lost goes on knowing nothing.
            for name in (old, new) if known else ():
                c.execute(epochs.delete().where(epochs.c.audience == name))
                c.execute(epochs.insert().values(audience=name, epoch=memory.epoch(lake, name)))
            for table in (plans, approvals, places):
                c.execute(table.update().where(table.c.audience == old).values(audience=new))
        for place in ledger.places.all(new):
            _at_tool(ledger, place, old, declared, destinations or {})
        with ledger.transaction() as c:
            c.execute(renames.delete().where(renames.c.old == old))
    finally:
        for lease in held:
            release(ledger, lease)
    return rows


def _begun(ledger: Ledger, old: str, new: str) -> bool:
    """Whether this call was made before and did not come to its end. Raises ConfigError while another name is under way."""
    query = sa.select(renames).where(renames.c.old.in_((old, new)) | renames.c.new.in_((old, new)))
    with ledger.transaction() as c:
        under_way = [(row["old"], row["new"]) for row in c.execute(query).mappings()]
    if under_way and under_way != [(old, new)]:
        first, second = under_way[0]
        raise ConfigError(
            f"audience {first} is half renamed: `segment-pipeline rename audience {first} {second}` first"
        )
    return bool(under_way)


def _check(lake: Lake, ledger: Ledger, old: str, new: str) -> None:
    def known(name: str) -> bool:
        return bool(ledger.places.all(name) or memory.epoch(lake, name) or ledger.plans_of(name))

    if ledger.places.all(new):
        raise ConfigError(
            f"audience {new} is kept somewhere already: choose a name nobody has used, or retire it first"
        )
    if not known(old) and not migrations.rows_named(lake, "audience", old):
        raise ConfigError(f"audience {old} has no rows in any table, and no tool holds it: check its name")


def _at_tool(
    ledger: Ledger, place: Place, old: str, declared: Sequence[Audience], destinations: Mapping[str, Destination]
) -> None:
    """Called as it is declared, or by its new name where it went by the old one; a name of its own stays."""
    tool = destinations.get(place.destination)
    said = [a.remote for a in declared if (a.name, a.destination) == (place.audience, place.destination)]
    name = said[0] if said else place.audience if place.name in ("", old) else place.name
    if not isinstance(tool, Renameable) or not place.remote_id or place.name == name:
        return
    try:
        patiently(lambda: tool.rename(place.remote_id, name))
    except AudienceGone:
        # The next sync finds that out, and says what to do.
        return
    ledger.places.note(place, name=name)
