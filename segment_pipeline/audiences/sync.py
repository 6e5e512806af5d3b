"""Keeps audiences equal to their segments: eligibility, plan, push, fold, for each audience under its lease.

`sync` sends, `plan_only` shows what it would send, `approve` sends a plan a guard held, `resend` sends all anew; where
SEGMENT_PIPELINE_SENDING is off, `sync` and `resend` show like `plan_only` and `approve` refuses. All go through the one
eligibility and account for every person and every key.
"""

from collections.abc import Collection, Sequence

from segment_pipeline import clock
from segment_pipeline.audiences.audience import Audience, in_priority_order
from segment_pipeline.audiences.decision import Aim
from segment_pipeline.audiences.plan import REPLACEMENT
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.run import Look, Run, accounted
from segment_pipeline.audiences.snapshot import fresh_until
from segment_pipeline.errors import ConfigError, GuardTripped


def sync(of: Round, *, only: Collection[str] | None = None) -> list[SyncReport]:
    """Bring every audience (or `only` those named) up to date; one report each, in the order they were done.

    Consents are refreshed first; when that fails every audience is held, and nothing but denials is sent. One audience's failure is
    its report's `failed` and does not stop the others.
    """
    chosen = _chosen(of.audiences, only)
    of.refresh()
    return [accounted(Run(of, audience)) for audience in chosen]


def plan_only(
    of: Round, *, only: Collection[str] | None = None, everything: bool = False, look: Look | None = None
) -> list[SyncReport]:
    """What `sync` (or `resend`, with `everything`) would do now and how it would end, by the lake as it is.

    Nothing is pulled, sent or stored. `planned` stands for `synced`. `look`: called per audience while its changes are in the view
    `planned`.
    """
    runs = [Run(of, audience, aim=Aim(everything=everything)) for audience in _chosen(of.audiences, only)]
    return [accounted(run, show=True, look=look) for run in runs]


def resend(of: Round, name: str) -> SyncReport:
    """Find or make the audience at the tool anew and send everybody who should be in it; guarded and accounted as a sync.

    For an audience that was emptied or deleted over there. Doing it twice leaves what doing it once leaves.
    """
    (audience,) = _chosen(of.audiences, [name])
    of.refresh()
    return accounted(Run(of, audience, aim=Aim(everything=True)))


def approve(of: Round, digest: str) -> SyncReport:
    """Send a held plan, as far as it still holds: eligibility runs anew, and nothing is sent that the plan did not show.

    Raises ConfigError for a digest no held plan has and where sending is off, GuardTripped once the memberships it came from are too old.
    """
    if not of.settings.sending:
        raise ConfigError(
            f"sending is off here, plan {digest} stays held: set SEGMENT_PIPELINE_SENDING=on and approve it again"
        )
    recorded = of.ledger.plan(digest)
    by_name = {audience.name: audience for audience in of.audiences}
    audience = by_name.get(recorded.plan.audience) if recorded else None
    if (
        recorded is None
        or audience is None
        or (recorded.status, recorded.plan.destination) != ("held", audience.destination)
    ):
        raise ConfigError(f"no plan with digest {digest} is held: `segment-pipeline audiences plan NAME` shows what is")
    expires = fresh_until(audience, recorded.plan.as_of, of.settings)
    if clock.now() > expires:
        raise GuardTripped(
            f"the plan held for audience {audience.name} is of {recorded.plan.as_of} and has expired: sync again",
            digest=digest,
        )
    of.refresh()
    if of.unread:
        raise GuardTripped(f"plan {digest} stays held, {of.unread[0]}", digest=digest)
    of.ledger.note_approval(digest, audience.name, expires)
    report = Run(of, audience, approved=digest, reconciling=recorded.plan.kind == REPLACEMENT).send()
    after = of.ledger.plan(digest)
    if after is not None and after.status == "held":
        of.ledger.advance(digest, "approved")
    return report


def _chosen(audiences: Sequence[Audience], only: Collection[str] | None) -> list[Audience]:
    ordered = in_priority_order(audiences)
    if only is None:
        return ordered
    unknown = sorted(set(only) - {audience.name for audience in ordered})
    if unknown:
        raise ConfigError(f"there is no audience {unknown[0]}: `segment-pipeline audiences list` names them")
    return [audience for audience in ordered if audience.name in only]
