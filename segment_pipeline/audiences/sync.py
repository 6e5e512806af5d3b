"""Keeps audiences equal to their segments: eligibility, plan, push, fold, for each audience under its lease.

`sync` sends, `plan_only` shows what it would send, `approve` sends a plan a guard held, `resend` sends all anew; where
SEGMENT_PIPELINE_SENDING is off, `sync` and `resend` show like `plan_only` and `approve` refuses. All go through the one
eligibility and account for every person and every key.
"""

from collections.abc import Collection, Mapping, Sequence

from segment_pipeline import clock
from segment_pipeline.audiences.audience import Audience, in_priority_order
from segment_pipeline.audiences.decision import NO_SPACES, Aim, Refresh, Round
from segment_pipeline.audiences.lease import SECONDS
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.plan import REPLACEMENT
from segment_pipeline.audiences.push import Progress
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.run import Look, Run, accounted
from segment_pipeline.audiences.snapshot import fresh_until
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError, GuardTripped
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
    key_spaces: Mapping[str, str] = NO_SPACES,
    only: Collection[str] | None = None,
    progress: Progress | None = None,
    lease_seconds: float = SECONDS,
) -> list[SyncReport]:
    """Bring every audience (or `only` those named) up to date; one report each, in the order they were done.

    `refresh_consents` runs first, so that consent is as of now; when it fails nothing is sent. `key_spaces`: as the identities
    were built with, for statements that name a customer. One audience's failure is its
    report's `failed` and does not stop the others.
    """
    chosen = _chosen(audiences, only)
    if refresh_consents:
        refresh_consents()
    of = Round(
        lake,
        ledger,
        audiences,
        destinations,
        settings,
        refresh_consents,
        progress,
        lease_seconds,
        key_spaces=key_spaces,
    )
    return [accounted(Run(of, audience), Run.send) for audience in chosen]


def plan_only(
    lake: Lake,
    ledger: Ledger,
    audiences: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    *,
    refresh_consents: Refresh | None = None,
    key_spaces: Mapping[str, str] = NO_SPACES,
    only: Collection[str] | None = None,
    everything: bool = False,
    reconciling: bool = False,
    look: Look | None = None,
) -> list[SyncReport]:
    """What `sync` (or `resend`, with `everything`; or `reconcile`, with `reconciling`) would do now and how it would end.

    Nothing is sent and nothing is stored.

    `planned` stands for `synced`. `look`: called per audience while its changes are in the view `planned`.
    """
    chosen = _chosen(audiences, only)
    if refresh_consents:
        refresh_consents()
    of = Round(lake, ledger, audiences, destinations, settings, key_spaces=key_spaces)
    runs = [Run(of, audience, aim=Aim(everything=everything), reconciling=reconciling) for audience in chosen]
    return [accounted(run, lambda run: run.show(look=look)) for run in runs]


def resend(  # noqa: PLR0917 - the same five things every call here takes, and the name
    lake: Lake,
    ledger: Ledger,
    audiences: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    name: str,
    *,
    refresh_consents: Refresh | None = None,
    key_spaces: Mapping[str, str] = NO_SPACES,
    progress: Progress | None = None,
) -> SyncReport:
    """Find or make the audience at the tool anew and send everybody who should be in it; guarded and accounted as a sync.

    For an audience that was emptied or deleted over there. Doing it twice leaves what doing it once leaves.
    """
    (audience,) = _chosen(audiences, [name])
    if refresh_consents:
        refresh_consents()
    of = Round(lake, ledger, audiences, destinations, settings, refresh_consents, progress, key_spaces=key_spaces)
    return accounted(Run(of, audience, aim=Aim(everything=True)), Run.send)


def approve(  # noqa: PLR0917 - the same five things every call here takes, and the digest
    lake: Lake,
    ledger: Ledger,
    audiences: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    digest: str,
    *,
    refresh_consents: Refresh | None = None,
    key_spaces: Mapping[str, str] = NO_SPACES,
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
    audience = by_name.get(recorded.plan.audience) if recorded else None
    if (
        recorded is None
        or audience is None
        or (recorded.status, recorded.plan.destination) != ("held", audience.destination)
    ):
        raise ConfigError(f"no plan with digest {digest} is held: `segment-pipeline audiences plan NAME` shows what is")
    expires = fresh_until(audience, recorded.plan.as_of, settings)
    if clock.now() > expires:
        raise GuardTripped(
            f"the plan held for audience {audience.name} is of {recorded.plan.as_of} and has expired: sync again",
            digest=digest,
        )
    if refresh_consents:
        refresh_consents()
    ledger.note_approval(digest, audience.name, expires)
    of = Round(lake, ledger, audiences, destinations, settings, refresh_consents, progress, key_spaces=key_spaces)
    report = Run(of, audience, approved=digest, reconciling=recorded.plan.kind == REPLACEMENT).send()
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
