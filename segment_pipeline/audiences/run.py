"""One audience, one run: finish what a killed run left, decide, plan, push, fold, account.

The order of these steps is what makes a kill anywhere harmless; each step's own rules live in its module.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences.accounting import NO_RESULTS, account, pretend
from segment_pipeline.audiences.audience import Audience, claimants
from segment_pipeline.audiences.eligibility import (
    NOBODY,
    Eligibility,
    claims_now,
    claims_stored,
    define_evidence,
    judge,
    store_assignments,
    store_claims,
)
from segment_pipeline.audiences.fold import application, fold, keep_house
from segment_pipeline.audiences.lease import SECONDS, Lease, acquire, release
from segment_pipeline.audiences.ledger import Ledger, RecordedPlan
from segment_pipeline.audiences.plan import (
    DENIALS,
    MAIN,
    compare,
    define_attributes,
    draw,
    guard_reasons,
    keep_approved,
    write,
)
from segment_pipeline.audiences.push import Progress, Push, patiently
from segment_pipeline.audiences.recheck import Recheck
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.audiences.snapshot import newest, source_reasons
from segment_pipeline.delivery.destination import Countable, Destination
from segment_pipeline.errors import ConfigError, ConflictError, SegmentPipelineError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.settings import Settings

Refresh = Callable[[], None]


class Run:
    """Made for one audience and used once: `send`, or `show`."""

    def __init__(
        self,
        lake: Lake,
        ledger: Ledger,
        *,
        audience: Audience,
        audiences: Sequence[Audience],
        destinations: Mapping[str, Destination],
        settings: Settings,
    ) -> None:
        self.lake, self.ledger, self.audience, self.settings = lake, ledger, audience, settings
        self.audiences, self.destinations = audiences, destinations
        self.refresh_consents: Refresh | None = None
        self.progress: Progress | None = None
        self.lease_seconds = SECONDS
        self.approved: str | None = None
        self.claims: dict[str, pa.Table] = {}
        self.report = SyncReport(audience.name, audience.destination, "failed", None)
        self.requests = 0
        self.troubles: list[str] = []
        self.stopped: SegmentPipelineError | None = None

    @property
    def destination(self) -> Destination:
        try:
            return self.destinations[self.audience.destination]
        except KeyError:
            raise ConfigError(
                f"audience {self.audience.name} goes to destination {self.audience.destination}, which is not switched on: "
                "add it to SEGMENT_PIPELINE_DESTINATIONS or drop the audience"
            ) from None

    def failure(self, error: SegmentPipelineError) -> SyncReport:
        reasons = dict.fromkeys((*self.report.reasons, *self.troubles, str(error)))
        return replace(self.report, status="failed", requests=self.requests, reasons=tuple(reasons))

    def send(self) -> SyncReport:
        """Take the lease, finish what a killed run left, then plan and push. Raises what stopped it.

        The only way to a tool: where sending is off, what would be sent is shown instead.
        """
        if not self.settings.sending:
            return self.show("off")
        lease = acquire(self.ledger, self.audience.name, seconds=self.lease_seconds)
        try:
            self._finish_left_over()
            with self.lake.session() as session:
                return self._send(session, lease)
        finally:
            release(self.ledger, lease)

    def show(self, status: str = "planned") -> SyncReport:
        """The same plans, sent and written nowhere; the numbers are those of a run in which all goes well."""
        with self.lake.session() as session:
            reasons, digests = self._compare(session), []
            denials: dict[str, Any] = {"keys": 0, "since": None}
            for kind in (DENIALS, MAIN):
                plan = draw(session, self.audience, self.shape, kind, as_of=self.plan_day, base=self._base())
                digests += [plan.digest] if plan else []
                if plan and kind == DENIALS:
                    [denials] = session.rows(statement("audiences", "denials_waiting"), channel=self.audience.channel)
            pretend(session)
            report = account(session, self.report)
        remembered = self.ledger.remote_keys(self.audience.name, self.audience.destination)
        return replace(
            report,
            status=status,
            digests=tuple(digests),
            reasons=tuple(reasons),
            remote=remembered,
            counted=remembered is not None,
            denials=int(denials["keys"]),
            denied_since=denials["since"],
        )

    def _finish_left_over(self) -> None:
        for recorded in self.ledger.unfinished(self.audience.name):
            self.ledger.give_up(recorded.plan.digest)
            with self.lake.session() as session:
                fold(self.lake, session, recorded, self.ledger.outcome(recorded.plan.digest))
            self.ledger.folded(recorded.plan.digest)

    def _claimed_before(self) -> pa.Table:
        """People the audiences before this one in its group hold back, worked out now where this sync has not done so yet."""
        higher = claimants(self.audience, self.audiences)
        for audience in higher:
            if audience.name not in self.claims:
                run = Run(
                    self.lake,
                    self.ledger,
                    audience=audience,
                    audiences=self.audiences,
                    destinations=self.destinations,
                    settings=self.settings,
                )
                run.claims = self.claims
                self.claims[audience.name] = run.claims_unsent()
        return pa.concat_tables([NOBODY, *(self.claims[audience.name] for audience in higher)])

    def claims_unsent(self) -> pa.Table:
        """Who this audience would hold back if it were synced now."""
        with self.lake.session() as session:
            try:
                held = bool(self._compare(session))
            except SegmentPipelineError:
                # It cannot be synced now, which must not keep those after it from theirs.
                held = True
            return self._claims(session, held=held)

    def _claims(self, session: Session, *, held: bool) -> pa.Table:
        """A held audience keeps the claims of its last sync: the people in it are still those."""
        if self.audience.priority is None:
            return NOBODY
        return claims_stored(session, self.audience) if held else claims_now(session)

    def _compare(self, session: Session) -> list[str]:
        """Eligibility and the difference; returns why the changes must not be sent as they are, [] if they may."""
        audience, now = self.audience, clock.now()
        self.shape = Shape(self.destination.capabilities)
        as_of, population = newest(self.lake, session, audience.segment)
        reasons = source_reasons(audience, as_of, population, self.settings, now)
        define_evidence(session, audience, self.shape)
        self.known = not reasons and as_of is not None
        judged = Eligibility(0, {}, 0)
        if self.known and as_of is not None:
            judged = judge(session, audience, self.shape, as_of=as_of, claimed=self._claimed_before())
            define_attributes(session, audience, self.shape, as_of)
        self.plan_day = as_of or clock.today(self.settings.timezone)
        minimum = self.destination.capabilities.minimum_size
        self.comparison = compare(session, audience, self.shape, now, known=self.known)
        if self.known and minimum and self.comparison.desired >= minimum and self.comparison.of("stuck"):
            self.comparison = compare(session, audience, self.shape, now, known=True, removals_again=True)
        if self.known:
            reasons = guard_reasons(audience.guards, self.destination.capabilities, self.comparison)
        self.report = replace(
            self.report,
            as_of=as_of,
            candidates=judged.candidates,
            ineligible=judged.ineligible,
            eligible=judged.eligible,
            desired=self.comparison.desired,
            leaving=self.comparison.of("leaving", "stuck"),
        )
        return reasons

    def _send(self, session: Session, lease: Lease) -> SyncReport:
        reasons = self._compare(session)
        held = bool(reasons) and not (self.approved and self.known)
        self.claims[self.audience.name] = self._claims(session, held=held)
        if self.known and self.report.as_of is not None:
            store_assignments(session, self.audience, self.report.as_of, clock.now())
            if not held:
                store_claims(session, self.audience, self.report.as_of)
        if self.approved:
            keep_approved(session, self.audience.name, self.approved)
        session.define("all_results", NO_RESULTS, materialize=True)
        digests = self._carry_out(session, lease, held=held)
        if self.known and (self.comparison.owners_changed or self.comparison.of("forgotten")):
            keep_house(session, self.audience.name)
        session.scan("audience_members", partitions={"audience": [self.audience.name]}, alias="audience_members_now")
        report = account(session, self.report)
        self.report = replace(report, requests=self.requests, digests=tuple(digests), reasons=tuple(reasons))
        if self.stopped:
            raise self.stopped
        ours = int(session.value("SELECT count(*) FROM audience_members_now WHERE state <> 'rejected'"))
        counted = self._counted()
        if self.audience.owned and counted is not None:
            self.troubles += ["count_differs"] if ours != counted else []
        if report.remove_rejected:
            self.troubles.append("removals_refused")
        status = "held" if held else "partial" if report.uncertain or report.uncertain_removals else "synced"
        return replace(
            self.report,
            status=status,
            remote=ours if counted is None else counted,
            counted=counted is not None,
            reasons=(*reasons, *dict.fromkeys(self.troubles)),
        )

    def _carry_out(self, session: Session, lease: Lease, *, held: bool) -> list[str]:
        """Explicit denials first, whatever the guards say; then the rest, or nothing of it. Returns the plans' digests."""
        inputs, digests = session.inputs, []
        with Recheck(self.lake, self.audience, self.shape, self.refresh_consents) as recheck:
            for kind in (DENIALS, MAIN):
                plan = draw(session, self.audience, self.shape, kind, as_of=self.plan_day, base=self._base())
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
        plan, destination = recorded.plan, self.destination
        push = None
        try:
            remote_id = self._remote_id(destination)
            self.ledger.advance(plan.digest, "pushing")
            push = Push(self.ledger, lease, plan, destination, remote_id, recheck=recheck, progress=self.progress)
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

    def _remote_id(self, destination: Destination) -> str:
        """The vendor's id of the audience; made once, and what was counted in it forgotten before anything changes."""
        name = self.audience.name
        remote_id = self.ledger.remote_id(name, self.audience.destination)
        if remote_id is None:
            patiently(destination.check)
            remote_id = patiently(lambda: destination.ensure_audience(self.audience.remote))
        self.ledger.note_remote(name, self.audience.destination, remote_id)
        return remote_id

    def _counted(self) -> int | None:
        """Keys the vendor holds; asked only when something may have changed since it last said."""
        name, at = self.audience.name, self.audience.destination
        remote_id, keys = self.ledger.remote_id(name, at), self.ledger.remote_keys(name, at)
        tool = self.destination
        if remote_id is None or keys is not None or not isinstance(tool, Countable):
            return keys
        try:
            keys = patiently(lambda: tool.count(remote_id))
        except TransientError as error:
            self.troubles.append(str(error))
            return None
        self.ledger.note_remote(name, at, remote_id, keys)
        return keys

    def _base(self) -> int:
        """Number of the last plan that changed what the audience holds."""
        name = self.audience.name
        return max(self.lake.marked("audience_members", application(name)) or 0, self.ledger.last_folded(name))
