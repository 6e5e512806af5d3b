"""Where audiences are: which tool holds one, under which id there, and whether what we remember of it is known to be so.

Memory is told apart by place. A place is `current` (its audience is kept there), `left` (another one took its turn) or `retired`.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from segment_pipeline import clock
from segment_pipeline.audiences.audience import MARKETING, Audience
from segment_pipeline.audiences.ledger_tables import places, renames
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError

CURRENT, LEFT, RETIRED = "current", "left", "retired"
GONE = "gone"
Transaction = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Place:
    """One audience at one tool.

    `remote_id`: the tool's id of it; empty: not made, or not known yet. `name`: what the tool was asked to call it.
    `inherits`: members remembered before they were told apart by place are this one's. `doubt`: why what we remember may not
    be what the tool holds; None: nothing speaks against it. `as_of`, `memberships`: day and version of what it stands on. `ended`: how
    a retired one came to its end; of another `gone`: its tool had it no more when it was last asked.
    """

    audience: str
    destination: str
    remote_id: str = ""
    name: str = ""
    channel: str = ""
    purpose: str = ""
    state: str = CURRENT
    inherits: bool = False
    remote_keys: int | None = None
    read_at: datetime | None = None
    doubt: str | None = None
    as_of: date | None = None
    memberships: int | None = None
    ended: str | None = None

    def declared(self, audiences: Collection[Audience]) -> bool:
        """Somebody declares that its audience is kept at its tool, and this is where."""
        return self.state == CURRENT and any(
            (a.name, a.destination) == (self.audience, self.destination) for a in audiences
        )

    def denials(self, destinations: Mapping[str, Destination]) -> Audience:
        """What is left of a declaration that is gone: enough to go on taking out who must not be there.

        Where the channel is lost as well, it is the tool's own.
        """
        tool = destinations.get(self.destination)
        channel = self.channel or (tool.capabilities.channel if tool else "")
        purpose, name = self.purpose or MARKETING, self.name or None
        return Audience(self.audience, "", self.destination, channel, "", purpose=purpose, remote_name=name)


_COLUMNS = [places.c[name] for name in Place.__slots__]


class Places:
    """The places of all audiences, in the ledger."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction

    def all(self, audience: str | None = None) -> list[Place]:
        """Those not retired, of one audience or of all, by name."""
        query = sa.select(*_COLUMNS).where(places.c.state != RETIRED)
        if audience is not None:
            query = query.where(places.c.audience == audience)
        with self.transaction() as c:
            found = c.execute(query.order_by(places.c.audience, places.c.destination, places.c.remote_id)).mappings()
            return [_place(row) for row in found]

    def ever(self, audience: str, destination: str) -> list[str]:
        """The tool's ids of an audience, those of retired places included."""
        query = sa.select(places.c.remote_id).where(
            (places.c.audience == audience) & (places.c.destination == destination) & (places.c.remote_id != "")
        )
        with self.transaction() as c:
            return [str(remote_id) for remote_id in c.execute(query.order_by(places.c.remote_id)).scalars()]

    def current(self, audience: str, destination: str) -> Place | None:
        """Where an audience is kept at a tool; None: nowhere yet."""
        return next((p for p in self.all(audience) if (p.destination, p.state) == (destination, CURRENT)), None)

    def of(self, audience: Audience) -> Place:
        """Where a declared audience is kept, or is to be."""
        found = self.current(audience.name, audience.destination)
        return found or Place(audience.name, audience.destination, inherits=not self.all(audience.name))

    def holder(self, destination: str, remote_id: str) -> str | None:
        """The audience a tool's id is the place of; None: nobody's."""
        query = sa.select(places.c.audience).where(
            (places.c.destination == destination) & (places.c.remote_id == remote_id) & (places.c.state != RETIRED)
        )
        with self.transaction() as c:
            found = c.execute(query).scalar()
        return str(found) if found is not None else None

    def at(self, audience: str, destination: str, remote_id: str) -> Place:
        """A place by its id, retired or not; one nobody wrote down is as good as new."""
        place = Place(audience, destination, remote_id)
        with self.transaction() as c:
            row = c.execute(sa.select(*_COLUMNS).where(_here(place))).mappings().first()
        return _place(row) if row else place

    def note(self, place: Place, **values: Any) -> Place:
        """Write down what is new about a place, or all of one that is new."""
        whole = {name: getattr(place, name) for name in Place.__slots__} | values
        with self.transaction() as c:
            new = c.execute(sa.select(places.c.state).where(_here(place))).scalar() is None
            if new:
                c.execute(places.insert().values(_stored(whole)))
            elif values:
                c.execute(places.update().where(_here(place)).values(_stored(values)))
        return replace(place, **values)

    def found(self, place: Place, remote_id: str, **values: Any) -> Place:
        """The tool's id of a place, told for the first time. Raises ConfigError for one that another audience has."""
        holder = self.holder(place.destination, remote_id)
        if holder not in (None, place.audience):
            raise ConfigError(
                f"audience {place.audience} would be sent where {place.destination} holds audience {holder}: "
                f"give it another `remote_name`, or carry it over (`segment-pipeline rename audience {holder} {place.audience}`)"
            )
        with self.transaction() as c:
            c.execute(places.delete().where(_here(replace(place, remote_id=""))))
            c.execute(places.delete().where(_here(replace(place, remote_id=remote_id))))
        return self.note(replace(place, remote_id=remote_id), **values)

    def counted(self, place: Place, keys: int | None) -> None:
        """Its tool has it, with so many keys; None: it does not tell how many."""
        told = {} if keys is None else {"remote_keys": keys, "counted_at": clock.now()}
        with self.transaction() as c:
            c.execute(places.update().where(_here(place)).values(ended=None, **told))

    def doubt(self, audience: str, why: str) -> None:
        """What we remember of an audience may not be what its tools hold, wherever it is, until it is reconciled there."""
        here = (places.c.audience == audience) & (places.c.state != RETIRED) & places.c.doubt.is_(None)
        with self.transaction() as c:
            c.execute(places.update().where(here).values(doubt=why))

    def end(self, place: Place, how: str) -> None:
        """Nothing of ours is there any more, or nobody of ours answers for it: emptied, deleted, handed_over, gone."""
        with self.transaction() as c:
            c.execute(places.update().where(_here(place)).values(state=RETIRED, ended=how, doubt=None))

    def half_renamed(self, audience: str) -> tuple[str, str] | None:
        """The old and the new name of an audience that is on its way to another name; None: it is not."""
        query = sa.select(renames.c.old, renames.c.new).where((renames.c.old == audience) | (renames.c.new == audience))
        with self.transaction() as c:
            row = c.execute(query).first()
        return (str(row.old), str(row.new)) if row else None

    def renaming(self, audience: str) -> None:
        """Raises ConfigError while an audience is on its way to another name."""
        if names := self.half_renamed(audience):
            old, new = names
            raise ConfigError(
                f"audience {old} is half renamed: finish it with `segment-pipeline rename audience {old} {new}`"
            )


def _here(place: Place) -> sa.ColumnElement[bool]:
    return (
        (places.c.audience == place.audience)
        & (places.c.destination == place.destination)
        & (places.c.remote_id == place.remote_id)
    )


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if name == "as_of" and value else value for name, value in values.items()}


def in_utc(at: datetime) -> datetime:
    """An instant of the ledger's: SQLite keeps no zone, and what was written is UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _place(row: RowMapping) -> Place:
    read_at = in_utc(row["read_at"]) if row["read_at"] else None
    as_of = date.fromisoformat(row["as_of"]) if row["as_of"] else None
    return Place(**dict(row) | {"read_at": read_at, "as_of": as_of})
