"""Places that nobody declares any more: what still reaches them, and how they come to an end.

An audience that left the catalogue, or went to another tool, leaves people behind. Until a person retires it there, explicit
denials still take people out, and every sync says that it is held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from segment_pipeline.audiences import memory, trust
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.decision import NO_SPACES, Aim, Refresh, Round
from segment_pipeline.audiences.lease import Lease
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.push import patiently
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.run import Run, accounted
from segment_pipeline.delivery.destination import AudienceGone, Deletable, Destination
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.settings import Settings

EMPTY, DELETE, HAND_OVER = "empty", "delete", "hand_over"
ENDED: Final = {EMPTY: "emptied", DELETE: "deleted", HAND_OVER: "handed_over"}


def left_places(lake: Lake, ledger: Ledger, declared: Sequence[Audience]) -> list[Place]:
    """Places that hold or may hold people of ours, and that no audience of these is kept at."""
    known = {place.audience for place in ledger.places.all()} | {audience.name for audience in declared}
    for entry in lake.partitions(memory.MEMBERS):
        if entry["audience"] not in known:
            trust.adopted(lake, ledger, entry["audience"], None)
    return [place for place in ledger.places.all() if place.remote_id and not place.declared(declared)]


def why_left(place: Place) -> str:
    """What to say of a place nobody declares any more, and to do about it."""
    command = f"segment-pipeline audiences retire {place.audience} --destination {place.destination}"
    return (
        f"left_behind: nobody declares audience {place.audience} at {place.destination} any more, and those it was sent are still "
        f"there; `{command}` empties it, deletes it or hands it over "
        f"(one that has another name now is carried over by `segment-pipeline rename audience {place.audience} NEW`)"
    )


def see_to_left(
    lake: Lake,
    ledger: Ledger,
    declared: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    *,
    key_spaces: Mapping[str, str] = NO_SPACES,
    show: bool = False,
) -> list[SyncReport]:
    """Take out of places that were left whoever denied since; a report of each, which says that it is held.

    `declared`: every audience of the catalogue, those of tools that are switched off included. `show`: nothing is sent.
    """
    of = Round(lake, ledger, declared, destinations, settings, key_spaces=key_spaces)
    found = []
    for place in left_places(lake, ledger, declared):
        run = Leftover(of, place)
        found.append(accounted(run, lambda run: run.show() if show else run.send()))
    return found


def retire(  # noqa: PLR0917 - the same five things every call here takes, and the name
    lake: Lake,
    ledger: Ledger,
    declared: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    name: str,
    how: str,
    *,
    destination: str | None = None,
    refresh_consents: Refresh | None = None,
    key_spaces: Mapping[str, str] = NO_SPACES,
    show: bool = False,
) -> list[SyncReport]:
    """Bring the places that audience `name` was left at to an end (at one `destination`, or all); a report of each.

    `how`: `empty` takes everybody out that we put in; `delete` deletes it at the tool; `hand_over` leaves it as it is, and
    whoever runs the tool answers for the people in it from now on. `show`: what it would do, nothing is sent.
    Raises ConfigError for an audience that is declared, or of which nothing is left.
    """
    places = [
        place
        for place in left_places(lake, ledger, declared)
        if place.audience == name and destination in (None, place.destination)
    ]
    if not places:
        if any(audience.name == name for audience in declared):
            raise ConfigError(
                f"audience {name} is declared, and the next sync would fill it again: take it out of the catalogue first"
            )
        raise ConfigError(f"nothing is left of an audience {name}: `segment-pipeline audiences list` shows what is")
    if refresh_consents and not show:
        refresh_consents()
    of = Round(lake, ledger, declared, destinations, settings, refresh_consents, key_spaces=key_spaces)
    runs = [Retiring(of, place, how) for place in places]
    return [accounted(run, lambda run: run.show() if show else run.send()) for run in runs]


class Leftover(Run):
    """A place that nobody declares any more and nobody retired: explicit denials go out, and that is all."""

    def __init__(self, of: Round, place: Place, *, reconciling: bool = False) -> None:
        super().__init__(
            of, place.denials(of.destinations), aim=Aim(place=place, hold=(why_left(place),)), reconciling=reconciling
        )

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

    def _at(self, place: Place, why: str | None = None) -> None:
        """Only what is emptied has to be known; whoever deletes or hands over need not."""
        self.place = place
        super()._at(place if self.how == EMPTY else replace(place, doubt=None), why if self.how == EMPTY else None)

    def _send(self, session: Session, lease: Lease) -> SyncReport:
        if self.how == EMPTY:
            return self._emptied(session, lease)
        if self.how == DELETE:
            tool = self.destination
            if not isinstance(tool, Deletable):
                raise ConfigError(
                    f"{self.place.destination} deletes no audience by itself: empty it, or delete it there and hand it over"
                )
            patiently(lambda: tool.delete(self.place.remote_id))
        memory.scan(session, self.place)
        held = int(session.value("SELECT count(*) FROM audience_members WHERE state <> 'rejected'"))
        self._end(session)
        removed = held if self.how == DELETE else 0
        handed = f"whoever runs {self.place.destination} answers for the people in it, and withdrawals are not sent there any more"
        reasons = (f"handed_over: {handed}",) if self.how == HAND_OVER else ()
        return replace(
            self.report, status="retired", leaving=removed, removed=removed, remote=held - removed, reasons=reasons
        )

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
