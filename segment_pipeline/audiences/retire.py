"""Places that nobody declares any more: what still reaches them, and how they come to an end.

An audience that left the catalogue, or went to another tool, leaves people behind. Until a person retires it there, explicit
denials still take people out, and every sync says that it is held.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from segment_pipeline.audiences import memory, trust
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.decision import Aim
from segment_pipeline.audiences.lease import Lease
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.push import patiently
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.run import Look, Run, accounted
from segment_pipeline.delivery.destination import AudienceGone, Deletable
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session

EMPTY, DELETE, HAND_OVER = "empty", "delete", "hand_over"
ENDED: Final = {EMPTY: "emptied", DELETE: "deleted", HAND_OVER: "handed_over"}


def left(lake: Lake, ledger: Ledger, declared: Sequence[Audience]) -> list[Place]:
    """Places that hold or may hold people of ours, and that no audience of these is kept at."""
    for entry in lake.partitions(memory.MEMBERS):
        trust.adopted(lake, ledger, entry["audience"], None)
    return [place for place in ledger.places.all() if place.remote_id and not place.declared(declared)]


def left_places(of: Round, name: str, destination: str | None) -> list[Place]:
    """Those one audience was left at, at any destination or this one."""
    return [
        place
        for place in left(of.lake, of.ledger, of.catalogue)
        if place.audience == name and destination in (None, place.destination)
    ]


def why_left(place: Place) -> str:
    """What to say of a place nobody declares any more, and to do about it."""
    command = f"segment-pipeline audiences retire {place.audience} --destination {place.destination}"
    return (
        f"left_behind: nobody declares audience {place.audience} at {place.destination} any more, and those it was sent are still "
        f"there; `{command}` empties it, deletes it or hands it over "
        f"(one that has another name now is carried over by `segment-pipeline rename audience {place.audience} NEW`)"
    )


def see_to_left(of: Round, *, show: bool = False) -> list[SyncReport]:
    """Take out of places that were left whoever denied since; a report of each, which says that it is held.

    `show`: nothing is sent.
    """
    runs = [Leftover(of, place) for place in left(of.lake, of.ledger, of.catalogue)]
    return [accounted(run, show=show) for run in runs]


def retire(of: Round, name: str, how: str, *, destination: str | None = None, show: bool = False) -> list[SyncReport]:
    """Bring the places that audience `name` was left at to an end (at one `destination`, or all); a report of each.

    `how`: `empty` takes everybody out that we put in; `delete` deletes it at the tool; `hand_over` leaves it as it is, and
    whoever runs the tool answers for the people in it from now on. `show`: what it would do, nothing is sent.
    Raises ConfigError for an audience that is declared, or of which nothing is left.
    """
    places = left_places(of, name, destination)
    if not places:
        if any(audience.name == name for audience in of.catalogue):
            raise ConfigError(
                f"audience {name} is declared, and the next sync would fill it again: take it out of the catalogue first"
            )
        raise ConfigError(f"nothing is left of an audience {name}: `segment-pipeline audiences list` shows what is")
    if not show:
        of.refresh()
    return [accounted(Retiring(of, place, how), show=show) for place in places]


class Leftover(Run):
    """A place that nobody declares any more and nobody retired: explicit denials go out, and that is all."""

    def __init__(self, of: Round, place: Place, *, reconciling: bool = False, strangers: str | None = None) -> None:
        aim = Aim(place=place, hold=(why_left(place),))
        super().__init__(of, place.denials(of.destinations), aim=aim, reconciling=reconciling, strangers=strangers)

    def send(self) -> SyncReport:
        """One that is gone at the tool has come to its end without us."""
        try:
            return super().send()
        except AudienceGone:
            self.ledger.places.end(self.place, "gone")
            return replace(self.report, status="retired", reasons=(f"gone: {self.place.destination} has it no more",))


class Retiring(Run):
    """The end of one place."""

    def __init__(self, of: Round, place: Place, how: str) -> None:
        super().__init__(of, place.denials(of.destinations), aim=Aim(place=place, emptying=True))
        self.how = how

    def show(self, *, off: bool = False, look: Look | None = None) -> SyncReport:
        if self.how == EMPTY:
            return super().show(off=off, look=look)
        with self._looking() as session:
            return self._ending(session, "off" if off else "planned")

    def _send(self, session: Session, lease: Lease) -> SyncReport:
        if self.how == EMPTY:
            return self._emptied(session, lease)
        ending = self._ending(session, "retired")
        if self.how == DELETE:
            tool = self._deletable()
            patiently(lambda: tool.delete(self.place.remote_id))
        self._end(session)
        return ending

    def _ending(self, session: Session, status: str) -> SyncReport:
        """What it comes to: deleted, everybody goes; handed over, everybody stays."""
        memory.scan(session, self.place)
        held = int(session.value("SELECT count(*) FROM audience_members WHERE state <> 'rejected'"))
        if self.how == DELETE:
            self._deletable()
            return replace(self.report, status=status, leaving=held, removed=held, remote=0)
        handed = f"whoever runs {self.place.destination} answers for the people in it, and withdrawals are not sent there any more"
        return replace(self.report, status=status, remote=held, reasons=(f"handed_over: {handed}",))

    def _deletable(self) -> Deletable:
        tool = self.destination
        if not isinstance(tool, Deletable):
            raise ConfigError(
                f"{self.place.destination} deletes no audience by itself: empty it, or delete it there and hand it over"
            )
        return tool

    def _emptied(self, session: Session, lease: Lease) -> SyncReport:
        """Everybody we put in is taken out; what the tool refuses to take out keeps the place as it is."""
        try:
            report = super()._send(session, lease)
        except AudienceGone:
            self._end(session)
            return replace(self.report, status="retired", remote=0, reasons=("gone: the tool has it no more",))
        if report.status not in ("synced", "differs") or report.remove_rejected:
            return report
        self._end(session)
        return replace(report, status="retired")

    def _end(self, session: Session) -> None:
        """Nothing is remembered of it any more, but that its keys were sent there."""
        memory.make(self.ledger, session, self.place, "retired", memory.NOBODY)
        self.ledger.places.end(self.place, ENDED[self.how])
