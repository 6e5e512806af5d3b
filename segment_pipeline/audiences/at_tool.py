"""One audience at the tool that keeps it: where it is, how many it holds, who, and whether that is what we remember.

Asks the tool and makes the audience there; sends nobody.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from segment_pipeline import clock
from segment_pipeline.audiences import memory, sent, trust
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.decision import Aim, decide
from segment_pipeline.audiences.places import LEFT, Place
from segment_pipeline.audiences.push import patiently
from segment_pipeline.audiences.recall import VIEW, Recalled, due, recall
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.delivery.destination import (
    AudienceGone,
    Countable,
    Deletable,
    Destination,
    Findable,
    Readable,
    Traceable,
)
from segment_pipeline.errors import ConfigError, SegmentPipelineError, TransientError
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

UNVERIFIED: Final = "unverified"
OURS, THEIRS = "ours", "theirs"


class AtTool:
    """The place of one audience during one run.

    `aim`: what is to be decided; its place is looked up where none is given. `reconciling`: memory is made what the tool holds
    before anything else, and then no longer in doubt. `strangers`: whose those members there are, OURS or THEIRS, of whom nobody can
    tell any more; None: nobody has said.
    """

    def __init__(
        self,
        of: Round,
        audience: Audience,
        *,
        aim: Aim | None = None,
        reconciling: bool = False,
        strangers: str | None = None,
    ) -> None:
        self.of, self.audience, self.reconciling, self.strangers = of, audience, reconciling, strangers
        self.lake, self.ledger, self.aim = of.lake, of.ledger, aim or Aim()
        self.place = self.aim.place or Place(audience.name, audience.destination)
        self.doubt: str | None = None
        self.troubles: list[str] = []
        self.stopped: SegmentPipelineError | None = None
        self.gone = False

    @property
    def destination(self) -> Destination:
        return self.of.destination(self.audience)

    def _looked_up(self) -> Place:
        places, asked, said = self.ledger.places, self.aim.place, self.audience
        if asked:
            # As it is now: it may have come into doubt since the run was made.
            return places.at(asked.audience, asked.destination, asked.remote_id)
        return replace(places.of(said), name=said.remote, channel=said.channel, purpose=said.purpose)

    def _at(self, place: Place, why: str | None = None) -> None:
        """Go by this place; in doubt, nothing but denials may be sent there until it is reconciled."""
        self.place, self.doubt = place, place.doubt or why
        hold = () if self.reconciling or not self.doubt else (self._unverified(self.doubt),)
        self.aim = replace(self.aim, place=place, hold=(*self.aim.hold, *hold))

    def _unverified(self, why: str) -> str:
        return f"{UNVERIFIED}: {why}; `{self._reconcile}` makes what is remembered what is there"

    @property
    def _reconcile(self) -> str:
        return f"segment-pipeline audiences reconcile {self.place.audience} --destination {self.place.destination}"

    def _found(self, *, once: bool = False) -> int | None:
        """Keys the tool holds before anything is sent; where it no longer has the audience, nothing will be, but to make it anew.

        Of an audience that is gone it is known what the tool holds, whatever was in doubt before: nobody.
        """
        try:
            return self._counted(once=once)
        except AudienceGone as error:
            self.gone = True
            hold = tuple(why for why in self.aim.hold if not why.startswith(UNVERIFIED))
            if hold or not (self.aim.everything or self.reconciling):
                self.stopped = error
                return None
            self.aim = replace(self.aim, everything=True, replacing=False, hold=hold)
            return None

    def _counted(self, *, once: bool = False) -> int | None:
        """Keys the vendor holds, asked every time: what it held may be gone. None: it does not say, or not now.

        Raises AudienceGone. `once`: for a plan, which waits for nobody and writes nothing down.
        """
        tool, remote_id = self.destination, self.place.remote_id
        if not remote_id or not isinstance(tool, Countable | Traceable):
            return None
        asked: Callable[[], int | bool] = partial(tool.count if isinstance(tool, Countable) else tool.exists, remote_id)
        try:
            told = asked() if once else patiently(asked)
        except TransientError as error:
            self.troubles.append(str(error))
            return None
        if told is False:
            raise AudienceGone(f"{tool.name} no longer has audience {remote_id}: resend it to make it anew")
        keys = None if told is True else told
        if not once:
            self.ledger.places.counted(self.place, keys)
        return keys

    def _compared(self, session: Session, found: int | None, *, once: bool = False) -> tuple[str, ...]:
        """A sentence where the tool does not hold what is remembered, before anything is sent.

        Counted at every sync; read member by member where the numbers differ, where they cannot tell because some keys are
        uncertain, and once a week. Where nobody else writes to the audience what is remembered is made what is there, so that the
        plan makes it right; `once`: for this plan only.
        """
        tool, aim = self.destination, self.aim
        if self.stopped or not self.place.remote_id or aim.everything or aim.replacing or aim.emptying:
            return ()
        if aim.hold and not self.reconciling:
            return ()
        memory.scan(session, self.place)
        by_state = session.rows("SELECT state, count(*) AS keys FROM audience_members GROUP BY state")
        keys = {row["state"]: int(row["keys"]) for row in by_state}
        drift = self._drift(found, keys.get("confirmed", 0), keys.get("uncertain", 0))
        wanted = self.reconciling or drift or keys.get("uncertain") or due(self.place)
        if not isinstance(tool, Readable) or not wanted:
            return drift
        try:
            recalled = self._recalled(session, tool)
        except AudienceGone as error:
            self.stopped = error
            return ()
        except TransientError as error:
            if self.reconciling:
                raise
            self.troubles.append(str(error))
            return drift
        return self._learnt(session, recalled, once=once)

    def _learnt(self, session: Session, recalled: Recalled, *, once: bool) -> tuple[str, ...]:
        """What the reading is good for: memory made anew where that is asked for or nobody else writes there."""
        if self.reconciling and self.doubt and not self.strangers and recalled.strangers and recalled.unrecorded:
            hold = (*self.aim.hold, self._whose(recalled))
            self.aim = replace(self.aim, hold=hold)
            return ()
        if self.reconciling and recalled.strangers:
            self.troubles.append(f"{recalled.strangers} members there are not ours as far as is known: they are left")
        if self.reconciling or (self.audience.owned and recalled.differs):
            self._remember(session, once=once)
        elif not recalled.differs and not once:
            self.place = self.ledger.places.note(self.place, read_at=clock.now())
        if self.reconciling or not recalled.differs:
            return ()
        way_out = f"`segment-pipeline audiences reconcile {self.audience.name}` goes by what is there"
        said = recalled.said(self.place.destination)
        return (f"members_differ: {said}: {'this plan makes it right' if self.audience.owned else way_out}",)

    def _whose(self, recalled: Recalled) -> str:
        """What to say where ours cannot be told from those others put in."""
        said = (
            f"no record is left of the keys of {recalled.unrecorded} plans that were sent to {self.place.destination}"
        )
        return (
            f"{UNVERIFIED}: {said}, and {recalled.strangers} members there may be ours or others': "
            f"`{self._reconcile} --strangers {OURS}` takes out those of them who should not be in it, `--strangers {THEIRS}` leaves them"
        )

    def _drift(self, found: int | None, confirmed: int, uncertain: int) -> tuple[str, ...]:
        """A sentence where the tool held fewer keys than are confirmed or, if owned, more than it can, before anything is sent.

        Before and not after, because some tools count with a delay; what is uncertain may be held or not.
        """
        if found is None:
            return ()
        if found >= confirmed and not (self.audience.owned and found > confirmed + uncertain):
            return ()
        held = f"{self.audience.destination} holds {found} keys where {confirmed} were sent"
        way_out = f"`segment-pipeline audiences resend {self.audience.name}` sends them all again"
        return (f"count_differs: {held}: {way_out}",)

    def _recalled(self, session: Session, tool: Readable) -> Recalled:
        secret = self.ledger.secret(sent.SECRET)
        shape = Shape(self.destination.capabilities)
        owned, plans = self.audience.owned or self.strangers == OURS, self.ledger.sent_to(self.place)
        return patiently(lambda: recall(session, self.place, shape, tool, owned=owned, secret=secret, plans=plans))

    def _remember(self, session: Session, *, once: bool) -> None:
        if once:
            self.aim = replace(self.aim, memory=VIEW)
            return
        memory.make(self.ledger, session, self.place, "recalled", f"SELECT * FROM {VIEW}")
        self._verified()
        self.aim = replace(self.aim, place=self.place)

    def _verified(self) -> None:
        """What is remembered of the place is what the tool holds."""
        trust.acknowledged(self.lake, self.ledger, self.audience.name)
        self.place = self.ledger.places.note(self.place, doubt=None, read_at=clock.now())

    def _located(self, session: Session) -> None:
        """Look up at the tool where the audience is that has to be reconciled, if lake and ledger have forgotten.

        That may make it there: not before it is known that it may be sent.
        """
        if not self._reconcilable or self.place.remote_id or decide(session, self.of, self.audience, self.aim).held():
            return
        patiently(self.destination.check)
        remote_id = patiently(lambda: self.destination.ensure_audience(self.audience.remote))
        self._at(self.ledger.places.found(self.place, remote_id))

    @property
    def _reconcilable(self) -> bool:
        return self.reconciling and not self.aim.hold

    def _replacing(self) -> None:
        """A tool that cannot be read is to be given all of it, in the place of what is there or in another audience."""
        if self._reconcilable and not self.gone and not isinstance(self.destination, Readable):
            self.aim = replace(self.aim, replacing=True)

    def _elsewhere(self, session: Session) -> None:
        """Go on in another audience of the tool's, empty from the start; the old one is left, to be deleted or emptied."""
        old = self.place
        # No list a lost or older ledger has forgotten is called by a number that was not given yet.
        name = f"{self.audience.remote} {memory.last(self.lake, self.ledger, old.audience) + 1}"
        remote_id = patiently(lambda: self.destination.ensure_audience(name))
        if remote_id in self.ledger.places.ever(old.audience, old.destination):
            raise ConfigError(
                f"{old.destination} cannot be read, and makes no second audience {old.audience}: delete it there, "
                f"then `segment-pipeline audiences resend {old.audience}`"
            )
        self._moved(session, old, remote_id, name)
        self.aim = replace(self.aim, replacing=False)

    def _made(self, session: Session) -> bool:
        """Make the audience at the tool, or find it there; False: it is where it was.

        What is found may hold people nobody remembers: then the place is in doubt from the start.
        """
        tool, old = self.destination, self.place
        patiently(tool.check)
        if old.remote_id and isinstance(tool, Countable | Traceable) and not self.gone:
            return False
        was_there = self._was_there()
        remote_id = patiently(lambda: tool.ensure_audience(self.audience.remote))
        if remote_id == old.remote_id:
            return False
        ours_before = remote_id in self.ledger.places.ever(old.audience, old.destination)
        if not old.remote_id:
            self._at(self.ledger.places.found(old, remote_id, read_at=clock.now()))
        else:
            self._moved(session, old, remote_id)
        held = self._counted()
        why = ""
        if held:
            why = f"{self.place.destination} already held {held} keys in it when it was first looked up"
        elif held is None and ours_before:
            why = f"{self.place.destination} held it before it was retired, and does not tell how many are still in it"
        elif was_there:
            why = f"{self.place.destination} already had it when it was first looked up, and does not tell how many are in it"
        if why:
            self._at(self.ledger.places.note(self.place, doubt=why))
        return True

    def _was_there(self) -> bool:
        """The tool has an audience of that name before it is made; where it can neither tell that nor count, it is taken to have none."""
        tool, place = self.destination, self.place
        if not isinstance(tool, Findable) or self.ledger.places.current(place.audience, place.destination):
            return False
        if patiently(lambda: tool.find(self.audience.remote)):
            return True
        # Written down: whoever is killed and comes again finds the one he made.
        self.ledger.places.note(place)
        return False

    def _moved(self, session: Session, old: Place, remote_id: str, name: str | None = None) -> None:
        """Go on at another place. Of one that is gone all is sent again, and what leaves is taken out, in case it came along."""
        memory.scan(session, old, "members_moved")
        session.define("members_of_old", "SELECT * FROM members_moved", materialize=True)
        if self.gone:
            self.ledger.places.end(old, "gone")
        else:
            self.ledger.places.note(old, state=LEFT)
        fresh = Place(old.audience, old.destination, name=name or self.audience.remote)
        fresh = replace(fresh, channel=self.audience.channel, purpose=self.audience.purpose)
        # What was in doubt about the old place is not about this one.
        trust.acknowledged(self.lake, self.ledger, old.audience)
        self._at(self.ledger.places.found(fresh, remote_id, read_at=clock.now()))
        if self.gone:
            memory.make(self.ledger, session, self.place, "moved", statement("audiences", "moved_members"))

    def _replaced_by_nobody(self, session: Session) -> None:
        """Nobody is to be in an audience that can only be replaced: it is deleted, and made again when somebody is."""
        tool, old = self.destination, self.place
        if not isinstance(tool, Deletable):
            raise ConfigError(
                f"nobody is to be in audience {old.audience}, and {old.destination} can neither read nor delete it: delete it there, "
                f"then `segment-pipeline audiences resend {old.audience}`"
            )
        patiently(lambda: tool.delete(old.remote_id))
        memory.make(self.ledger, session, old, "deleted", memory.NOBODY)
        trust.acknowledged(self.lake, self.ledger, old.audience)
        self.ledger.places.end(old, "deleted")
        self.place = Place(old.audience, old.destination)
