"""One audience, one run: finish what a killed run left, decide, plan, push, fold, account.

The order of these steps is what makes a kill anywhere harmless; each step's own rules live in its module.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from segment_pipeline import clock
from segment_pipeline.audiences.accounting import NO_RESULTS, account, pretend
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.decision import Decision, Round, claims, decide
from segment_pipeline.audiences.eligibility import store_assignments, store_claims
from segment_pipeline.audiences.fold import application, fold, keep_house
from segment_pipeline.audiences.lease import Lease, acquire, release
from segment_pipeline.audiences.ledger import RecordedPlan
from segment_pipeline.audiences.plan import DENIALS, MAIN, Plan, draw, keep_approved, write
from segment_pipeline.audiences.push import Push, patiently
from segment_pipeline.audiences.recheck import Recheck
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.delivery.destination import AudienceGone, Countable, Destination
from segment_pipeline.errors import ConflictError, SegmentPipelineError, TransientError
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

Look = Callable[[Session], None]


class Run:
    """Made for one audience and used once: `send`, or `show`.

    `approved`: digest of a held plan to send as far as it still holds. `everything`: the audience is found or made anew and
    all who should be in it are sent, also those the tool is believed to hold.
    """

    def __init__(self, of: Round, audience: Audience, *, approved: str | None = None, everything: bool = False) -> None:
        self.of, self.audience, self.approved, self.everything = of, audience, approved, everything
        self.lake, self.ledger = of.lake, of.ledger
        self.report = SyncReport(audience.name, audience.destination, "failed", None)
        self.requests, self.sent = 0, False
        self.troubles: list[str] = []
        self.stopped: SegmentPipelineError | None = None

    @property
    def destination(self) -> Destination:
        return self.of.destination(self.audience)

    def failure(self, error: SegmentPipelineError) -> SyncReport:
        """The report of a run that `error` ended."""
        said = str(error)
        if isinstance(error, AudienceGone):
            said += f" (`segment-pipeline audiences resend {self.audience.name}`)"
        reasons = dict.fromkeys((*self.report.reasons, *self.troubles, said))
        return replace(self.report, status="failed", requests=self.requests, reasons=tuple(reasons))

    def send(self) -> SyncReport:
        """Take the lease, finish what a killed run left, then plan and push. Raises what stopped it.

        The only way to a tool: where sending is off, what would be sent is shown instead.
        """
        if not self.of.settings.sending:
            return self.show(off=True)
        lease = acquire(self.ledger, self.audience.name, seconds=self.of.lease_seconds)
        try:
            self._finish_left_over()
            with self.lake.session() as session:
                return self._send(session, lease)
        finally:
            release(self.ledger, lease)

    def show(self, *, off: bool = False, look: Look | None = None) -> SyncReport:
        """The same plans, sent and written nowhere: the numbers and the status of a run in which all goes well.

        `look`: called while every change is in the view `planned`. The tool is asked how many it holds, unless sending is `off`.
        """
        with self.lake.session() as session:
            decision = decide(session, self.of, self.audience, everything=self.everything)
            self.report = decision.reported(self.audience)
            plans = [self._draw(session, decision, kind) for kind in (DENIALS, MAIN)]
            denials = self._denials(session, "denials_planned")
            if look:
                look(session)
            pretend(session, held=decision.held())
            digests = tuple(plan.digest for plan in plans if plan)
            self.report = replace(account(session, self.report), digests=digests, **denials)
            found = None if off or self.everything else self._counted(once=True)
            drift = self._drift(session, found)
        remembered = self.ledger.remote_keys(self.audience.name, self.audience.destination)
        if off:
            return replace(self.report, status="off", remote=remembered, counted=remembered is not None)
        return replace(
            self.report,
            status="held" if decision.held() else "differs" if drift else "planned",
            remote=decision.keys.held_before if found is None else found,
            counted=found is not None,
            reasons=(*self.report.reasons, *drift, *self.troubles),
        )

    def _finish_left_over(self) -> None:
        for recorded in self.ledger.unfinished(self.audience.name):
            self.ledger.give_up(recorded.plan.digest)
            with self.lake.session() as session:
                fold(self.lake, session, recorded, self.ledger.outcome(recorded.plan.digest))
            self.ledger.folded(recorded.plan.digest)

    def _send(self, session: Session, lease: Lease) -> SyncReport:
        if self.approved:
            self._see_what_was_approved(session, self.approved)
        decision = decide(session, self.of, self.audience, everything=self.everything)
        self.report = decision.reported(self.audience)
        held = decision.held(self.approved)
        self.of.claims[self.audience.name] = claims(session, self.audience, held=held)
        if decision.known and decision.as_of is not None:
            store_assignments(session, self.audience, decision.as_of, clock.now())
            if not held:
                store_claims(session, self.audience, decision.as_of)
        if self.approved:
            keep_approved(session, self.audience.name, self.approved)
        if self.everything and not held:
            self._remote_id()
        found = self._found()
        drift = self._drift(session, found)
        session.define("all_results", NO_RESULTS, materialize=True)
        digests = self._carry_out(session, decision, lease, held=held)
        if decision.known and (decision.keys.owners_changed or decision.keys.of("forgotten")):
            keep_house(session, self.audience.name)
        session.scan("audience_members", partitions={"audience": [self.audience.name]}, alias="audience_members_now")
        self.report = replace(account(session, self.report), requests=self.requests, digests=tuple(digests))
        self.report = replace(self.report, **self._denials(session, "denials_undelivered"))
        if self.stopped:
            raise self.stopped
        ours = int(session.value("SELECT count(*) FROM audience_members_now WHERE state <> 'rejected'"))
        counted = self._counted() if self.sent else found
        if self.report.remove_rejected:
            self.troubles.append("removals_refused")
        return replace(
            self.report,
            status=self._status(held=held, drift=drift),
            remote=ours if counted is None else counted,
            counted=counted is not None,
            reasons=(*self.report.reasons, *drift, *dict.fromkeys(self.troubles)),
        )

    def _status(self, *, held: bool, drift: tuple[str, ...]) -> str:
        """What a run that went to its end is called: the first that is true, the worst for the people concerned first."""
        report = self.report
        partial = report.uncertain or report.uncertain_removals
        named = {
            "undelivered": report.denials,
            "held": held,
            "partial": partial,
            "refused": report.remove_rejected,
            "differs": drift,
        }
        return next((status for status, true in named.items() if true), "synced")

    def _denials(self, session: Session, which: str) -> dict[str, Any]:
        """How many keys denials are still to take out, by the statement `which`, and since when the oldest of them waits."""
        session.define("denials_left", statement("audiences", which))
        [waiting] = session.rows(statement("audiences", "denials_waiting"), channel=self.audience.channel)
        return {"denials": int(waiting["keys"]), "denied_since": waiting["since"]}

    def _see_what_was_approved(self, session: Session, digest: str) -> None:
        """A plan that sent everything again is approved as one."""
        partitions = {"audience": [self.audience.name], "digest": [digest]}
        session.scan("plan_rows", partitions=partitions, alias="rows_of_approved")
        self.everything = bool(session.value("SELECT count(*) FROM rows_of_approved WHERE cause = 'refreshed'"))

    def _draw(self, session: Session, decision: Decision, kind: str) -> Plan | None:
        return draw(session, self.audience, decision.shape, kind, as_of=decision.day, base=self._base())

    def _carry_out(self, session: Session, decision: Decision, lease: Lease, *, held: bool) -> list[str]:
        """Explicit denials first, whatever the guards say; then the rest, or nothing of it. Returns the plans' digests."""
        inputs, digests = session.inputs, []
        with Recheck(self.lake, self.audience, decision.shape, self.of.refresh_consents, self.of.key_spaces) as recheck:
            for kind in (DENIALS, MAIN):
                plan = self._draw(session, decision, kind)
                if plan is None or self.stopped:
                    continue
                digests.append(plan.digest)
                keep_back = held and kind == MAIN
                write(session, plan)
                floor = self.lake.marked("audience_members", application(self.audience.name)) or 0
                recorded = self.ledger.record(plan, held=keep_back, inputs=inputs, floor=floor)
                if not keep_back:
                    self._push(session, lease, recorded, recheck)
        return digests

    def _push(self, session: Session, lease: Lease, recorded: RecordedPlan, recheck: Recheck) -> None:
        plan, push = recorded.plan, None
        try:
            remote_id = self._remote_id()
            self.ledger.advance(plan.digest, "pushing")
            self.sent = True
            push = Push(
                self.ledger, lease, plan, self.destination, remote_id, recheck=recheck, progress=self.of.progress
            )
            push.run(session)
        except ConflictError:
            # Another run holds the audience: what came of this plan is for it to find out.
            raise
        except SegmentPipelineError as error:
            self.stopped = error
        self.ledger.give_up(plan.digest)
        self.ledger.advance(plan.digest, "pushed")
        outcome = self.ledger.outcome(plan.digest)
        fold(self.lake, session, recorded, outcome)
        self.ledger.folded(plan.digest)
        session.define("results_before", "SELECT * FROM all_results", materialize=True)
        session.define(
            "all_results",
            "SELECT * FROM results_before UNION ALL SELECT batch, operation, key, result FROM results",
            materialize=True,
        )
        self.requests += sum(batch.requests for batch in outcome)
        self.troubles += push.troubles if push else []

    def _remote_id(self) -> str:
        """The vendor's id of the audience; made once, and what was counted in it forgotten before anything changes."""
        name, at, tool = self.audience.name, self.audience.destination, self.destination
        remote_id = self.ledger.remote_id(name, at)
        if remote_id is None or self.everything:
            patiently(tool.check)
            remote_id = patiently(lambda: tool.ensure_audience(self.audience.remote))
        self.ledger.note_remote(name, at, remote_id)
        return remote_id

    def _found(self) -> int | None:
        """Keys the tool holds before anything is sent; where it no longer has the audience, nothing will be."""
        try:
            return self._counted()
        except AudienceGone as error:
            self.stopped = error
            return None

    def _drift(self, session: Session, found: int | None) -> tuple[str, ...]:
        """A sentence where the tool held fewer keys than are confirmed or, if owned, more than it can, before anything is sent.

        Before and not after, because some tools count with a delay; what is uncertain may be held or not.
        """
        if found is None or self.everything:
            return ()
        by_state = session.rows("SELECT state, count(*) AS keys FROM audience_members GROUP BY state")
        keys = {row["state"]: int(row["keys"]) for row in by_state}
        confirmed, uncertain = keys.get("confirmed", 0), keys.get("uncertain", 0)
        if found >= confirmed and not (self.audience.owned and found > confirmed + uncertain):
            return ()
        held = f"{self.audience.destination} holds {found} keys where {confirmed} were sent"
        way_out = f"`segment-pipeline audiences resend {self.audience.name}` sends them all again"
        return (f"count_differs: {held}: {way_out}",)

    def _counted(self, *, once: bool = False) -> int | None:
        """Keys the vendor holds, asked every time: what it held may be gone. None: it does not say, or not now.

        Raises AudienceGone. `once`: for a plan, which waits for nobody and writes nothing down.
        """
        name, at, tool = self.audience.name, self.audience.destination, self.destination
        remote_id = self.ledger.remote_id(name, at)
        if remote_id is None or not isinstance(tool, Countable):
            return None
        try:
            keys = tool.count(remote_id) if once else patiently(lambda: tool.count(remote_id))
        except TransientError as error:
            self.troubles.append(str(error))
            return None
        if not once:
            self.ledger.note_remote(name, at, remote_id, keys)
        return keys

    def _base(self) -> int:
        """Number of the last plan that changed what the audience holds."""
        name = self.audience.name
        return max(self.lake.marked("audience_members", application(name)) or 0, self.ledger.last_folded(name))
