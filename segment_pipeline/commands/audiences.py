"""`audiences`: what each tool holds, what a sync would change, the sync, the approval of a held plan, and sending all anew."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from segment_pipeline.commands.company import company
from segment_pipeline.errors import GuardTripped, SegmentPipelineError, Undelivered
from segment_pipeline.terminal import show, show_one, with_json

if TYPE_CHECKING:
    from segment_pipeline.audiences.report import SyncReport
    from segment_pipeline.lake.session import Session


@click.group()
def audiences() -> None:
    """List, plan, sync, approve and resend audiences."""


@audiences.command("list")
@with_json
def audiences_list(as_json: bool) -> None:
    """Every audience, what it holds, and its last sync."""
    from segment_pipeline.lake.lake import Lake

    catalogue, settings = company()
    with Lake.open(settings).session() as session:
        session.scan("audience_members")
        counted = session.rows(
            "SELECT audience, CAST(count(*) AS BIGINT) AS keys, max(refreshed_at) AS last_sent FROM audience_members GROUP BY audience"
        )
    held = {row["audience"]: row for row in counted}
    rows = [
        {
            "audience": a.name, "segment": a.segment, "destination": a.destination, "channel": a.channel, "purpose": a.purpose,
            "keys": held.get(a.name, {}).get("keys", 0), "last_sent": held.get(a.name, {}).get("last_sent"),
        }
        for a in catalogue.audiences
    ]  # fmt: skip
    show(rows, as_json=as_json, title="Audiences")


@audiences.command("plan")
@click.argument("name")
@click.option("--sample", type=click.IntRange(min=1), help="Show so many of the changes, on a terminal only.")
@with_json
def audiences_plan(name: str, sample: int | None, as_json: bool) -> None:
    """What a sync would do, without sending anything, and with the exit code the sync would have."""
    from segment_pipeline.defs.operations import planned

    if sample and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--sample shows people's data: it needs a terminal, and goes without --json")
    catalogue, settings = company()
    changes: list[dict[str, Any]] = []
    report = planned(catalogue, settings, name, look=lambda session: changes.extend(_some(session, sample)))
    show_one(asdict(report), as_json=as_json, title=f"Plan of {name}")
    if sample:
        show(changes, as_json=False, title=f"{len(changes)} of the changes")
    _end(report, "nothing was sent, nor would a sync send it")


@audiences.command("sync")
@click.argument("name")
@with_json
def audiences_sync(name: str, as_json: bool) -> None:
    """Send now what the newest day's memberships ask for, consent first."""
    from segment_pipeline.defs.operations import synced

    catalogue, settings = company()
    report = synced(catalogue, settings, name)
    show_one(asdict(report), as_json=as_json, title=f"Sync of {name}")
    _end(report, sent=True)


@audiences.command("resend")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Send; without it the plan is shown, with exit code 3.")
@with_json
def audiences_resend(name: str, yes: bool, as_json: bool) -> None:
    """Send everybody who should be in an audience that its tool lost or emptied; it is found or made anew there."""
    from segment_pipeline.defs.operations import planned, resent

    catalogue, settings = company()
    report = resent(catalogue, settings, name) if yes else planned(catalogue, settings, name, everything=True)
    show_one(asdict(report), as_json=as_json, title=f"{'Resending' if yes else 'Plan to resend'} {name}")
    _end(report, sent=yes)
    if not yes:
        raise GuardTripped(f"nothing was sent: `segment-pipeline audiences resend {name} --yes` sends it")


def _some(session: "Session", number: int | None) -> Iterator[dict[str, Any]]:
    """So many of the changes in the view `planned`, each identifier and attribute as it would be sent."""
    if number is None:
        return
    query = "SELECT operation, cause, identifiers, attributes FROM planned ORDER BY operation DESC, key LIMIT $number"
    for row in session.rows(query, number=number):
        sent = json.loads(row["identifiers"]) | json.loads(row["attributes"] or "{}")
        yield {"operation": row["operation"], "cause": row["cause"], **sent}


def _end(report: "SyncReport", nothing_sent: str = "nothing was sent", *, sent: bool = False) -> None:
    """The exit code of a sync or its plan: raises SegmentPipelineError (1), GuardTripped (3) or Undelivered (4), nothing where all is well.

    `sent`: it was no plan that is shown, so that denials which still wait are those the tool did not take.
    """
    from segment_pipeline import clock

    reasons, waiting = "; ".join(report.reasons), report.waiting(clock.now())
    if sent and waiting and report.status != "off":
        by_hand = f"the people concerned are still in {report.destination}: sync again, or take them out there by hand"
        raise Undelivered("; ".join([f"{waiting}: {by_hand}", *([reasons] if reasons else [])]))
    if report.status == "partial":
        raise Undelivered(
            f"{report.uncertain + report.uncertain_removals} keys of audience {report.audience} are uncertain, the next sync"
            f" settles them: {reasons or 'the tool gave no answer'}"
        )
    if report.status == "refused":
        raise Undelivered(
            f"{report.destination} does not let go of {report.remove_rejected} keys that left audience {report.audience}:"
            " they are tried again in a week, and once the audience has grown"
        )
    if report.status in ("failed", "differs"):
        raise SegmentPipelineError(reasons)
    if report.status == "off":
        more = f"; {waiting}" if waiting else ""
        raise GuardTripped(f"nothing was sent, sending is off here: set SEGMENT_PIPELINE_SENDING=on{more}")
    if report.status == "held":
        raise GuardTripped(f"{nothing_sent}: {reasons}", digest=report.digests[-1] if report.digests else None)


@audiences.command("approve")
@click.argument("digest")
@with_json
def audiences_approve(digest: str, as_json: bool) -> None:
    """Send a held plan: eligibility is computed again, and its additions may only have become fewer."""
    from segment_pipeline.defs.operations import approved

    catalogue, settings = company()
    report = approved(catalogue, settings, digest)
    show_one(asdict(report), as_json=as_json, title="Approved")
    _end(report, sent=True)
