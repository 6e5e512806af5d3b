"""`audiences`: what each tool holds, what a sync would change, the sync, and what a person decides: approve, resend, reconcile, retire."""

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
    """List, plan, sync, approve, resend, reconcile and retire audiences."""


@audiences.command("list")
@with_json
def audiences_list(as_json: bool) -> None:
    """Every audience wherever it is or was left: what it holds, what it stands on, and whether that is known to be so."""
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.status import stand

    catalogue, settings = company()
    standing = stand(Lake.open(settings), catalogue, settings)
    show([asdict(each) for each in standing], as_json=as_json, title="Audiences")
    if held := [
        f"{each.audience}: {each.why}" for each in standing if each.state in ("gone", "unverified", "left_behind")
    ]:
        raise GuardTripped("; ".join(held))


@audiences.command("plan")
@click.argument("name")
@click.option("--sample", type=click.IntRange(min=1), help="Show so many of the changes, on a terminal only.")
@with_json
def audiences_plan(name: str, sample: int | None, as_json: bool) -> None:
    """What a sync would do, without sending anything, and with the exit code the sync would have."""
    from segment_pipeline.defs.operations import synced

    if sample and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--sample shows people's data: it needs a terminal, and goes without --json")
    catalogue, settings = company()
    changes: list[dict[str, Any]] = []
    reports = synced(catalogue, settings, name, show=True, look=lambda session: changes.extend(_some(session, sample)))
    _print(reports, as_json=as_json, title=f"Plan of {name}")
    if sample:
        show(changes, as_json=False, title=f"{len(changes)} of the changes")
    for report in reports:
        _end(report, "nothing was sent, nor would a sync send it")


@audiences.command("sync")
@click.argument("name")
@with_json
def audiences_sync(name: str, as_json: bool) -> None:
    """Send now what the newest day's memberships ask for, consent first."""
    from segment_pipeline.defs.operations import synced

    catalogue, settings = company()
    _shown(synced(catalogue, settings, name), as_json=as_json, title=f"Sync of {name}", sent=True)


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


@audiences.command("reconcile")
@click.argument("name")
@click.option("--destination", help="At this tool only, if the audience was left at several.")
@click.option(
    "--strangers",
    type=click.Choice(["ours", "theirs"]),
    help="Whose members are that the tool holds and no record tells of.",
)
@click.option("--yes", is_flag=True, help="Do it; without it the plan is shown, with exit code 3.")
@with_json
def audiences_reconcile(name: str, destination: str | None, strangers: str | None, yes: bool, as_json: bool) -> None:
    """Make what is remembered of an audience what its tool holds, and sync it: after lake or ledger were lost or restored."""
    from segment_pipeline.defs.operations import reconciled

    catalogue, settings = company()
    reports = reconciled(catalogue, settings, name, destination=destination, strangers=strangers, show=not yes)
    _shown(reports, as_json=as_json, title=f"{'Reconciling' if yes else 'Plan to reconcile'} {name}", sent=yes)
    if not yes:
        raise GuardTripped(f"nothing was done: `segment-pipeline audiences reconcile {name} --yes` does it")


@audiences.command("retire")
@click.argument("name")
@click.option("--destination", help="At this tool only.")
@click.option("--empty", "how", flag_value="empty", default=True, help="Take out everybody we put in [the default].")
@click.option("--delete", "how", flag_value="delete", help="Delete it at the tool.")
@click.option("--hand-over", "how", flag_value="hand_over", help="Leave it; whoever runs the tool answers for it.")
@click.option("--yes", is_flag=True, help="Do it; without it the plan is shown, with exit code 3.")
@with_json
def audiences_retire(name: str, destination: str | None, how: str, yes: bool, as_json: bool) -> None:
    """Bring an audience that nobody declares any more to its end at the tools where it was left."""
    from segment_pipeline.defs.operations import retired

    catalogue, settings = company()
    reports = retired(catalogue, settings, name, how, destination=destination, show=not yes)
    _shown(reports, as_json=as_json, title=f"{'Retiring' if yes else 'Plan to retire'} {name}", sent=yes)
    if not yes:
        way = how.replace("_", "-")
        raise GuardTripped(f"nothing was done: `segment-pipeline audiences retire {name} --{way} --yes` does it")


def _shown(reports: "list[SyncReport]", *, as_json: bool, title: str, sent: bool) -> None:
    """The reports, and the end of the first that is not well."""
    _print(reports, as_json=as_json, title=title)
    for report in reports:
        _end(report, sent=sent)


def _print(reports: "list[SyncReport]", *, as_json: bool, title: str) -> None:
    """One report as it is; of several the first, with the others behind it."""
    first, *others = reports
    if as_json:
        more = {"others": [asdict(report) for report in others]} if others else {}
        show_one(asdict(first) | more, as_json=True, title=title)
    else:
        for report in reports:
            show_one(asdict(report), as_json=False, title=f"{title}: {report.audience} at {report.destination}")


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

    `sent`: it was no plan that is shown, so that denials which still wait are those the tool did not take; those a plan has are on
    their way, unless the tool refuses to let them go.
    """
    from segment_pipeline import clock

    reasons, waiting = "; ".join(report.reasons), report.waiting(clock.now())
    if waiting and report.status != "off" and (sent or report.status == "undelivered"):
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
