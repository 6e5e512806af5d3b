"""What is to be done about one audience now, and why it may not be: what a sync, a plan and an approval have in common."""

from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences import trust
from segment_pipeline.audiences.attributes import define_attributes
from segment_pipeline.audiences.audience import Audience, claimants
from segment_pipeline.audiences.eligibility import (
    Eligibility,
    claims_now,
    claims_stored,
    define_evidence,
    judge,
)
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.plan import Comparison, compare, guard_reasons
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.audiences.snapshot import source
from segment_pipeline.errors import SegmentPipelineError
from segment_pipeline.lake.session import Session


@dataclass(frozen=True, slots=True)
class Aim:
    """What a decision is to be about, beside who should be in an audience now.

    `place`: whose members; None: where the audience is kept. `everything`: what it is believed to hold is sent again, and what
    it refused is tried again. `emptying`: nobody should be in it any more. `replacing`: all is sent, in the place of whatever is
    there. `hold`: why nothing but explicit denials may be sent. `memory`: a view to go by of what the place holds.
    """

    place: Place | None = None
    everything: bool = False
    emptying: bool = False
    replacing: bool = False
    hold: tuple[str, ...] = ()
    memory: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who should be in an audience and what that changes.

    `known` False: there are no memberships to go by, only explicit denials leave. `day`: that of the memberships, or today.
    `reasons`: why the changes must not be sent as they are, explicit denials apart; none: they may.
    """

    shape: Shape
    as_of: date | None
    day: date
    known: bool
    people: Eligibility
    keys: Comparison
    reasons: tuple[str, ...]

    def held(self, approved: str | None = None) -> bool:
        return bool(self.reasons) and not (approved and self.known)

    def reported(self, audience: Audience) -> SyncReport:
        """What is known before anything is sent; `failed` until somebody says otherwise."""
        return SyncReport(
            audience.name,
            audience.destination,
            "failed",
            self.as_of,
            candidates=self.people.candidates,
            ineligible=self.people.ineligible,
            eligible=self.people.eligible,
            desired=self.keys.desired,
            leaving=self.keys.of("leaving", "stuck"),
            reasons=self.reasons,
        )


def decide(session: Session, of: Round, audience: Audience, aim: Aim | None = None) -> Decision:
    """Eligibility and the difference; leaves the views that `draw` makes plans of."""
    aim = aim or Aim()
    place = aim.place or of.ledger.places.of(audience)
    now, capabilities = clock.now(), of.destination(audience).capabilities
    shape = Shape(capabilities)
    as_of, reasons = (None, ()) if aim.hold or aim.emptying else source(of.lake, session, audience, of.settings, now)
    if not aim.emptying:
        reasons = (*of.unread, *trust.lost_denials(of.lake, of.ledger, note=False), *reasons)
    reasons = (*aim.hold, *reasons)
    define_evidence(session, audience, shape, of.key_spaces, place)
    if aim.memory:
        session.define("audience_members", f"SELECT * FROM {aim.memory}")
    known = not reasons and (as_of is not None or aim.emptying)
    people = Eligibility(0, {}, 0)
    if known and as_of is not None:
        people = judge(session, audience, shape, as_of=as_of, claimed=_claimed_before(of, audience))
        define_attributes(session, audience, capabilities, as_of)
    everything = aim.everything or aim.replacing
    compared = partial(
        compare, session, audience, shape, now, known=known, wanted=not aim.emptying, everything=everything
    )
    keys = compared()
    if known and 0 < capabilities.minimum_size <= keys.desired and keys.of("stuck"):
        keys = compared(removals_again=True)
    if known and not aim.emptying:
        reasons = tuple(guard_reasons(audience.guards, capabilities, keys))
    day = as_of or clock.today(of.settings.timezone)
    return Decision(shape, as_of, day, known, people, keys, reasons)


def claims(session: Session, audience: Audience, *, held: bool) -> pa.Table | None:
    """Who it holds back from those after it; None: it has none. A held audience keeps those of its last sync: the people in it are still those."""
    if audience.priority is None:
        return None
    return claims_stored(session, audience) if held else claims_now(session)


def _claimed_before(of: Round, audience: Audience) -> pa.Table | None:
    """People the audiences before this one in its group hold back, worked out now where this round has not done so yet; None: nobody."""
    higher = claimants(audience, of.audiences)
    for each in higher:
        if each.name not in of.claims:
            of.claims[each.name] = _claims_unsent(of, each)
    found = [claimed for each in higher if (claimed := of.claims[each.name]) is not None]
    return pa.concat_tables(found) if found else None


def _claims_unsent(of: Round, audience: Audience) -> pa.Table | None:
    """Who this audience would hold back if it were synced now."""
    with of.lake.session() as session:
        try:
            held = decide(session, of, audience).held()
        except SegmentPipelineError:
            # It cannot be synced now, which must not keep those after it from theirs.
            held = True
        return claims(session, audience, held=held)
