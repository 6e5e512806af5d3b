"""One audience at one place, one run: finish what a killed run left, decide, plan, push, fold, account.

The order of these steps is what makes a kill anywhere harmless; each step's own rules live in its module.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences import memory, sent, trust
from segment_pipeline.audiences.accounting import NO_RESULTS, account, pretend
from segment_pipeline.audiences.at_tool import AtTool
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.decision import Aim, Decision, claims, decide
from segment_pipeline.audiences.eligibility import store_assignments, store_claims
from segment_pipeline.audiences.fold import fold, keep_house
from segment_pipeline.audiences.lease import Lease, acquire, release
from segment_pipeline.audiences.ledger import RecordedPlan
from segment_pipeline.audiences.places import GONE, Place
from segment_pipeline.audiences.plan import DENIALS, MAIN, REPLACEMENT, Plan, draw, keep_approved, write
from segment_pipeline.audiences.push import Push
from segment_pipeline.audiences.recheck import Recheck
from segment_pipeline.audiences.report import SyncReport, hours_behind
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.days import AsOf
from segment_pipeline.delivery.destination import AudienceGone, Replaceable
from segment_pipeline.errors import ConfigError, ConflictError, SegmentPipelineError
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

Look = Callable[[Session], None]
_REFUSALS = pa.schema({"key": pa.string(), "reason": pa.string()})


class Run(AtTool):
    """Made for one audience and used once: `send`, or `show`.

    `approved`: digest of a held plan to send as far as it still holds.
    """

    def __init__(
        self,
        of: Round,
        audience: Audience,
        *,
        aim: Aim | None = None,
        approved: str | None = None,
        reconciling: bool = False,
        strangers: str | None = None,
    ) -> None:
        super().__init__(of, audience, aim=aim, reconciling=reconciling, strangers=strangers)
        self.approved = approved
        self.report = SyncReport(audience.name, audience.destination, "failed", None)
        self.requests, self.sent = 0, False
        self.unmade: SegmentPipelineError | None = None

    def failure(self, error: SegmentPipelineError) -> SyncReport:
        """The report of a run that `error` ended; a list that is gone holds the audience until somebody makes it anew."""
        gone = isinstance(error, AudienceGone)
        said = f"{error} (`segment-pipeline audiences resend {self.audience.name}`)" if gone else str(error)
        reasons = dict.fromkeys((*self.report.reasons, *self.troubles, said))
        status = "held" if gone else "failed"
        return replace(self.report, status=status, requests=self.requests, reasons=tuple(reasons))

    def send(self) -> SyncReport:
        """Take the lease, finish what a killed run left, then plan and push. Raises what stopped it.

        The only way to a tool: where sending is off, what would be sent is shown instead.
        """
        if not self.of.settings.sending:
            return self.show(off=True)
        try:
            return self.holding(self._send)
        except AudienceGone:
            self.ledger.places.note(self.place, ended=GONE)
            raise

    def holding(self, work: Callable[[Session, Lease], SyncReport]) -> SyncReport:
        """Do something under the audience's lease, at its place, once a killed run is finished and lake and ledger compared."""
        name = self.audience.name
        lease = acquire(self.ledger, name, seconds=self.of.lease_seconds)
        try:
            self.ledger.places.renaming(name)
            kept_at = None if self.aim.place else self.audience.destination
            trust.adopted(self.lake, self.ledger, name, kept_at)
            why = trust.disagreement(self.lake, self.ledger, name)
            if self.reconciling or not why:
                trust.begin(self.lake)
            if why and not self.ledger.places.all(name):
                self.ledger.places.note(Place(name, self.audience.destination, inherits=True, doubt=why))
            elif why:
                self.ledger.places.doubt(name, why)
            self._finish_left_over()
            trust.lost_denials(self.lake, self.ledger, note=True)
            place = self._looked_up()
            if place.remote_id:
                self.ledger.places.note(place, name=place.name, channel=place.channel, purpose=place.purpose)
            self._at(place)
            with self.lake.session() as session:
                return work(session, lease)
        finally:
            release(self.ledger, lease)

    @contextmanager
    def _looking(self) -> Iterator[Session]:
        """A session at its place, for what sends and writes nothing."""
        self.ledger.places.renaming(self.audience.name)
        self._at(self._looked_up(), trust.disagreement(self.lake, self.ledger, self.audience.name))
        with self.lake.session() as session:
            yield session

    def show(self, *, off: bool = False, look: Look | None = None) -> SyncReport:
        """The same plans, sent and written nowhere: the numbers and the status of a run in which all goes well.

        `look`: called while every change is in the view `planned`. The tool is asked how many it holds, unless sending is `off`.
        """
        with self._looking() as session:
            found = None if off or self.aim.everything else self._found(once=True)
            self._replacing()
            drift = () if off else self._compared(session, found, once=True)
            decision = decide(session, self.of, self.audience, self.aim)
            self.report = decision.reported(self.audience)
            plans = [self._draw(session, decision, kind) for kind in self._kinds(held=decision.held())]
            denials = self._denials(session, "denials_planned")
            if look:
                look(session)
            pretend(session, held=decision.held())
            digests = tuple(plan.digest for plan in plans if plan)
            self.report = replace(account(session, self.report), digests=digests)
            undelivered = self._denials(session, "denials_undelivered")["denials"]
            self.report = replace(self.report, **denials)
        if self.stopped:
            raise self.stopped
        if off:
            remembered = self.place.remote_keys
            return replace(self.report, status="off", remote=remembered, counted=remembered is not None)
        status = self._status(undelivered=undelivered, held=decision.held(), drift=drift)
        return replace(
            self.report,
            status="planned" if status == "synced" else status,
            remote=decision.keys.held_before if found is None else found,
            counted=found is not None,
            reasons=(*self.report.reasons, *drift, *self.troubles),
        )

    def _finish_left_over(self) -> None:
        for recorded in self.ledger.unfinished(self.audience.name):
            plan = recorded.plan
            self.ledger.give_up(plan.digest)
            place = self.ledger.places.at(plan.audience, plan.destination, plan.remote_id)
            outcome = self.ledger.answers.outcome(plan.digest)
            with self.lake.session() as session:
                fold(self.lake, session, place, recorded, outcome)
                begun = any(batch.state in ("final", "uncertain") for batch in outcome)
                if begun and session.value("SELECT count(*) FROM results") != plan.rows:
                    self.ledger.places.doubt(plan.audience, "the lake has lost rows of a plan that was being sent")
            self.ledger.folded(plan.digest, memory.epoch(self.lake, plan.audience))

    def _send(self, session: Session, lease: Lease) -> SyncReport:
        if self.approved:
            self._see_what_was_approved(session, self.approved)
        self._located(session)
        found = self._found()
        self._replacing()
        drift = self._compared(session, found)
        decision = self._decided(session)
        held = decision.held(self.approved)
        self.of.claims[self.audience.name] = claims(session, self.audience, held=held)
        if decision.known and decision.as_of is not None:
            store_assignments(session, self.audience, decision.as_of, clock.now())
            if not held:
                store_claims(session, self.audience, decision.as_of)
        if self.approved:
            keep_approved(session, self.audience.name, self.approved)
        session.define("all_results", NO_RESULTS, materialize=True)
        digests = self._carry_out(session, decision, lease, held=held)
        if self.aim.replacing and not decision.keys.desired and not held and not self.stopped:
            self._replaced_by_nobody(session)
        if decision.known and (decision.keys.owners_changed or decision.keys.of("forgotten")):
            keep_house(session, self.place)
        memory.scan(session, self.place, "audience_members_now")
        self.report = replace(account(session, self.report), requests=self.requests, digests=tuple(digests))
        self.report = replace(self.report, **self._denials(session, "denials_undelivered"))
        self.report = replace(self.report, **self._answers(session, decision.as_of, digests))
        if self.stopped:
            raise self.stopped
        ours = int(session.value("SELECT count(*) FROM audience_members_now WHERE state <> 'rejected'"))
        counted = self._counted() if self.sent else found
        if not held and self.place.remote_id:
            version = session.pins.get("memberships")
            self.ledger.places.note(self.place, as_of=decision.as_of, memberships=version, ended=None)
        return replace(
            self.report,
            status=self._status(undelivered=self.report.denials, held=held, drift=drift),
            remote=ours if counted is None else counted,
            counted=counted is not None,
            reasons=(*self.report.reasons, *drift, *dict.fromkeys(self.troubles)),
        )

    def _status(self, *, undelivered: int, held: bool, drift: tuple[str, ...]) -> str:
        """What a run that went to its end is called: the first that is true, the worst for the people concerned first."""
        report = self.report
        if report.remove_rejected:
            self.troubles.append("removals_refused")
        named = {
            "undelivered": undelivered,
            "held": held,
            "partial": report.uncertain or report.uncertain_removals,
            "refused": report.remove_rejected,
            "differs": drift,
        }
        return next((status for status, true in named.items() if true), "synced")

    def _answers(self, session: Session, as_of: date | None, digests: Sequence[str]) -> dict[str, Any]:
        """What the tool refuses, and how far behind the day its answers to these plans came."""
        told: dict[str, Any] = {}
        if self.report.rejected or self.report.remove_rejected:
            told["rejections"] = self._rejections(session)
        if digests and as_of is not None:
            end = AsOf(as_of, self.of.settings.timezone).end
            told["hours_behind"] = hours_behind(end, self.ledger.answers.times(digests))
        return told

    def _rejections(self, session: Session) -> dict[str, int]:
        """Keys that the tool refuses to take or to let go, by the code it gave, the most first."""
        said = self.ledger.answers.refusals(self.place)
        session.register("refusals", pa.table([list(said), list(said.values())], _REFUSALS))
        rows = session.rows(
            "SELECT coalesce(r.reason, 'unknown') AS reason, count(*) AS keys FROM audience_members_now AS m "
            "LEFT JOIN refusals AS r ON r.key = m.key WHERE m.refused IS NOT NULL GROUP BY 1 ORDER BY keys DESC, reason"
        )
        return {row["reason"]: int(row["keys"]) for row in rows}

    def _denials(self, session: Session, which: str) -> dict[str, Any]:
        """How many keys denials are still to take out, by the statement `which`, and since when the oldest of them waits."""
        if not session.value("SELECT count(*) FROM denied_keys"):
            return {"denials": 0, "denied_since": None}
        session.define("denials_left", statement("audiences", which))
        [waiting] = session.rows(statement("audiences", "denials_waiting"), channel=self.audience.channel)
        return {"denials": int(waiting["keys"]), "denied_since": waiting["since"]}

    def _decided(self, session: Session) -> Decision:
        """The decision, and the audience made at the tool where it is to be sent to and is not there."""
        aim = self.aim
        decision = decide(session, self.of, self.audience, aim)
        if not decision.held(self.approved) and not self.stopped:
            forgotten = self._nothing_remembered(session)
            try:
                if self._there(session, decision):
                    memory.scan(session, self.place)
                    # Of neither place anything is remembered, as at the first sync: who should be there, and what that changes, is known.
                    same = replace(self.aim, place=None) == replace(aim, place=None)
                    if not (same and forgotten and self._nothing_remembered(session)):
                        decision = decide(session, self.of, self.audience, self.aim)
            except SegmentPipelineError as error:
                # What was to be sent is accounted for before the run ends by it.
                self.unmade = error
        self.report = decision.reported(self.audience)
        return decision

    def _nothing_remembered(self, session: Session) -> bool:
        """No key was ever sent to the place, as far as we know."""
        return not session.value("SELECT count(*) FROM audience_members")

    def _there(self, session: Session, decision: Decision) -> bool:
        """See to it that the tool has the audience a decision is to be sent to; True: it is another place than before."""
        desired = bool(decision.keys.desired)
        if self.aim.replacing and desired and not isinstance(self.destination, Replaceable):
            self._elsewhere(session)
            return True
        wanted = self.aim.everything or (desired and not self.place.remote_id)
        return wanted and self._made(session)

    def _see_what_was_approved(self, session: Session, digest: str) -> None:
        """A plan that sent everything again is approved as one. Raises ConfigError for one whose rows an older lake lacks."""
        partitions = {"audience": [self.audience.name], "digest": [digest]}
        session.scan("plan_rows", partitions=partitions, alias="rows_of_approved")
        counted = (
            "SELECT count(*) AS rows, count(*) FILTER (WHERE cause = 'refreshed') AS refreshed FROM rows_of_approved"
        )
        [held] = session.rows(counted)
        if not held["rows"]:
            raise ConfigError(
                f"the lake no longer has the rows of plan {digest}: sync again, and approve what is held then"
            )
        if not self.reconciling:
            self.aim = replace(self.aim, everything=bool(held["refreshed"]))

    def _kinds(self, *, held: bool) -> tuple[str, ...]:
        """The plans to draw, in the order they go out. A replacement takes out who denied; while it is held a plan of their own does."""
        if not self.aim.replacing:
            return DENIALS, MAIN
        return (DENIALS, REPLACEMENT) if held else (REPLACEMENT,)

    def _draw(self, session: Session, decision: Decision, kind: str) -> Plan | None:
        base = memory.last(self.lake, self.ledger, self.audience.name)
        return draw(session, self.place, decision.shape, kind, as_of=decision.day, base=base)

    def _carry_out(self, session: Session, decision: Decision, lease: Lease, *, held: bool) -> list[str]:
        """Explicit denials first, whatever the guards say; then the rest, or nothing of it. Returns the plans' digests."""
        inputs, digests = session.inputs, []
        of, shape = self.of, decision.shape
        options: dict[str, Any] = {"refresh": of.refresh_consents, "key_spaces": of.key_spaces}
        with Recheck(self.lake, self.audience, self.place, shape, **options) as recheck:
            for kind in self._kinds(held=held):
                plan = self._draw(session, decision, kind)
                keep_back = held and kind != DENIALS
                if plan is None or self.stopped or not (keep_back or self.place.remote_id or self.unmade):
                    continue
                digests.append(plan.digest)
                floor = memory.last(self.lake, self.ledger, self.audience.name)
                # On record before its rows are: rows of a plan that is not on record tell of a ledger that was lost.
                recorded = self.ledger.record(plan, held=keep_back, inputs=inputs, floor=floor)
                write(session, plan)
                if not keep_back:
                    self._push(session, lease, recorded, decision.shape, recheck)
        return digests

    def _push(self, session: Session, lease: Lease, recorded: RecordedPlan, shape: Shape, recheck: Recheck) -> None:
        plan, tool = recorded.plan, self.destination
        push = Push(self.ledger, lease, plan, tool, self.place.remote_id, recheck=recheck, progress=self.of.progress)
        try:
            if self.unmade:
                raise self.unmade
            sent.keep(session, self.place, shape, recorded, self.ledger.secret(sent.SECRET))
            self.ledger.advance(plan.digest, "pushing")
            self.sent = True
            if plan.kind == REPLACEMENT and isinstance(tool, Replaceable):
                # Cut short, nobody knows whether the tool has what was there or what is to be.
                self.ledger.places.note(self.place, doubt="all of it was being replaced")
                push.replace(session, tool)
            else:
                push.run(session)
        except ConflictError:
            # Another run holds the audience: what came of this plan is for it to find out.
            raise
        except SegmentPipelineError as error:
            self.stopped = error
        self.ledger.give_up(plan.digest)
        self.ledger.advance(plan.digest, "pushed")
        outcome = self.ledger.answers.outcome(plan.digest)
        fold(self.lake, session, self.place, recorded, outcome)
        self.ledger.folded(plan.digest, memory.epoch(self.lake, self.audience.name))
        if plan.kind == REPLACEMENT and not self.stopped:
            self._verified()
        session.define("results_before", "SELECT * FROM all_results", materialize=True)
        session.define(
            "all_results",
            "SELECT * FROM results_before UNION ALL SELECT batch, operation, key, result FROM results",
            materialize=True,
        )
        self.requests += sum(batch.requests for batch in outcome)
        self.troubles += push.troubles


def accounted(run: Run, *, show: bool = False, look: Look | None = None) -> SyncReport:
    """What came of a run, or with `show` what would, its failure included."""
    try:
        return run.show(look=look) if show else run.send()
    except SegmentPipelineError as error:
        return run.failure(error)
