"""`audiences`: what each tool holds, what a sync would change, the sync itself, and the approval of a held plan."""

from dataclasses import asdict

import click

from segment_pipeline.commands.company import company
from segment_pipeline.errors import GuardTripped, SegmentPipelineError
from segment_pipeline.terminal import show, show_one, with_json


@click.group()
def audiences() -> None:
    """List, plan, sync and approve audiences."""


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
@with_json
def audiences_plan(name: str, as_json: bool) -> None:
    """What a sync would do, without sending anything."""
    from segment_pipeline.defs.operations import planned

    catalogue, settings = company()
    show_one(asdict(planned(catalogue, settings, name)), as_json=as_json, title=f"Plan of {name}")


@audiences.command("sync")
@click.argument("name")
@with_json
def audiences_sync(name: str, as_json: bool) -> None:
    """Send now what the newest day's memberships ask for, consent first."""
    from segment_pipeline.defs.operations import synced

    catalogue, settings = company()
    report = synced(catalogue, settings, name)
    show_one(asdict(report), as_json=as_json, title=f"Sync of {name}")
    if report.status == "failed":
        raise SegmentPipelineError("; ".join(report.reasons))
    if report.status == "off":
        waiting = f"; {report.denials} denials wait, the oldest since {report.denied_since}" if report.denials else ""
        raise GuardTripped(f"nothing was sent, sending is off here: set SEGMENT_PIPELINE_SENDING=on{waiting}")
    if report.status == "held":
        raise GuardTripped(
            f"nothing was sent: {'; '.join(report.reasons)}", digest=report.digests[-1] if report.digests else None
        )


@audiences.command("approve")
@click.argument("digest")
@with_json
def audiences_approve(digest: str, as_json: bool) -> None:
    """Send a held plan: eligibility is computed again, and its additions may only have become fewer."""
    from segment_pipeline.defs.operations import approved

    catalogue, settings = company()
    show_one(asdict(approved(catalogue, settings, digest)), as_json=as_json, title="Approved")
