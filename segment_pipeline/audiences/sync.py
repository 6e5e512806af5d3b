"""Keeps audiences equal to their segments: eligibility, plan, push, fold, for each audience under its lease.

`sync` sends, `plan_only` shows what it would send, `approve` sends a plan a guard held; where SEGMENT_PIPELINE_SENDING is off,
`sync` shows like `plan_only` and `approve` refuses. All three go through the one
eligibility and account for every person and every key.
"""

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences.audience import Audience, in_priority_order
from segment_pipeline.audiences.lease import SECONDS
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.push import Progress
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.run import Refresh, Run
from segment_pipeline.audiences.snapshot import fresh_until
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError, GuardTripped, SegmentPipelineError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.settings import Settings


def sync(
    lake: Lake,
    ledger: Ledger,
    audiences: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    *,
    refresh_consents: Refresh | None = None,
    only: Collection[str] | None = None,
    progress: Progress | None = None,
    lease_seconds: float = SECONDS,
) -> list[SyncReport]:
    """Bring every audience (or `only` those named) up to date; one report each, in the order they were done.

    `refresh_consents` runs first, so that consent is as of now; when it fails nothing is sent. One audience's failure is its
    report's `failed` and does not stop the others.
    """
    chosen = _chosen(audiences, only)
    if refresh_consents:
        refresh_consents()
    reports = []
    claims: dict[str, pa.Table] = {}
    for audience in chosen:
        run = Run(
            lake,
            ledger,
            audience=audience,
            audiences=audiences,
            destinations=destinations,
            settings=settings,
        )
        run.refresh_consents, run.progress, run.lease_seconds = refresh_consents, progress, lease_seconds
        run.claims = claims
        try:
            reports.append(run.send())
        except SegmentPipelineError as error:
            reports.append(run.failure(error))
    return reports


def plan_only(
    lake: Lake,
    ledger: Ledger,
    audiences: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    *,
    refresh_consents: Refresh | None = None,
    only: Collection[str] | None = None,
) -> list[SyncReport]:
    """What `sync` would do now, in the same numbers, with nothing sent and nothing stored."""
    chosen = _chosen(audiences, only)
    if refresh_consents:
        refresh_consents()
    return [
        Run(lake, ledger, audience=audience, audiences=audiences, destinations=destinations, settings=settings).show()
        for audience in chosen
    ]


def approve(  # noqa: PLR0917 - the same five things every call here takes, and the digest
    lake: Lake,
    ledger: Ledger,
    audiences: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    digest: str,
    *,
    refresh_consents: Refresh | None = None,
    progress: Progress | None = None,
) -> SyncReport:
    """Send a held plan, as far as it still holds: eligibility runs anew, and nothing is sent that the plan did not show.

    Raises ConfigError for a digest no held plan has and where sending is off, GuardTripped once the memberships it came from are too old.
    """
    if not settings.sending:
        raise ConfigError(
            f"sending is off here, plan {digest} stays held: set SEGMENT_PIPELINE_SENDING=on and approve it again"
        )
    recorded = ledger.plan(digest)
    by_name = {audience.name: audience for audience in audiences}
    if recorded is None or recorded.status != "held" or recorded.plan.audience not in by_name:
        raise ConfigError(f"no plan with digest {digest} is held: `segment-pipeline audiences plan NAME` shows what is")
    audience = by_name[recorded.plan.audience]
    expires = fresh_until(audience, recorded.plan.as_of, settings)
    if clock.now() > expires:
        raise GuardTripped(
            f"the plan held for audience {audience.name} is of {recorded.plan.as_of} and has expired: sync again",
            digest=digest,
        )
    if refresh_consents:
        refresh_consents()
    ledger.note_approval(digest, audience.name, expires)
    run = Run(lake, ledger, audience=audience, audiences=audiences, destinations=destinations, settings=settings)
    run.refresh_consents, run.progress, run.approved = refresh_consents, progress, digest
    report = run.send()
    after = ledger.plan(digest)
    if after is not None and after.status == "held":
        ledger.advance(digest, "approved")
    return report


def _chosen(audiences: Sequence[Audience], only: Collection[str] | None) -> list[Audience]:
    ordered = in_priority_order(audiences)
    if only is None:
        return ordered
    unknown = sorted(set(only) - {audience.name for audience in ordered})
    if unknown:
        raise ConfigError(f"there is no audience {unknown[0]}: `segment-pipeline audiences list` names them")
    return [audience for audience in ordered if audience.name in only]
