"""Audience assets: one per audience, unpartitioned, each the sync of that audience; the only assets that send."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import dagster as dg

from segment_pipeline import clock
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.report import SyncReport, waited
from segment_pipeline.audiences.retire import see_to_left
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import sync
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import ConnectorKind
from segment_pipeline.defs import specs
from segment_pipeline.defs.alerts import DENIALS_CHECK, TAKEN_CHECK
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.resources import in_run, kind_of, resource_keys
from segment_pipeline.defs.segments import segment_key
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.delivery.reasons import meaning
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import Column
from segment_pipeline.landing.consents import refresh_consents
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings

GROUP = "audiences"
LEFT_CHECK = "nothing_is_left_behind"
# What people look for first, always there so that each can be plotted over time.
FIRST = ("eligible", "added", "removed", "held")
NUMBERS = (
    *FIRST,
    "desired", "unchanged", "updated", "candidates", "rejected", "remove_rejected", "held_removals", "uncertain",
    "uncertain_removals", "requests",
)  # fmt: skip
ALWAYS = frozenset({*FIRST, "desired", "unchanged"})
# An asset that ends like this has failed, whatever was sent before.
FAILING = frozenset({"held", "failed", "differs", "undelivered"})
SAID = {
    "synced": "sent",
    "partial": "sent in part, the next run settles the rest",
    "refused": "sent, but the tool does not let go of people who left",
    "undelivered": "denials are not known to have arrived",
    "off": "nothing was sent: sending is off",
}


def audience_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["audiences", name])


def assets(
    catalogue: Catalogue, settings: Settings, sources: Mapping[str, Source], destinations: Mapping[str, Destination]
) -> list[dg.AssetsDefinition]:
    """One asset per audience whose destination is switched on, serialised per destination by a pool."""
    return [
        _audience_asset(audience, catalogue, settings, sources, destinations)
        for audience in catalogue.audiences_today()
        if audience.destination in destinations
    ]


def metadata(report: SyncReport, destination: Destination) -> dict[str, Any]:
    """A sync's numbers under their fixed names, those people look for first on top; what is 0 as a rule is left out while it is.

    Reasons for ineligibility are `ineligible_<reason>`; `why` is what became of the plan, in words. `rejections` is a table: by the
    tool's code how many keys, what it means and what to do; each is a number of its own as well, `rejected_<code>`.
    """
    values = asdict(report)
    why = "; ".join([SAID.get(report.status, report.status), *report.reasons])
    numbers: dict[str, Any] = {name: values[name] for name in FIRST} | {"why": why}
    numbers |= {name: values[name] for name in NUMBERS if name in ALWAYS or values[name]}
    numbers |= {f"ineligible_{reason}": count for reason, count in sorted(report.ineligible.items()) if count}
    numbers |= {f"hours_behind_{part}": hours for part, hours in report.hours_behind.items()}
    if report.rejections:
        rows = [f"| `{code}` | {keys} | {meaning(destination, code)} |" for code, keys in report.rejections.items()]
        numbers["rejections"] = dg.MetadataValue.md(
            "\n".join(["| code | keys | what it means |", "|---|---|---|", *rows])
        )
        numbers |= {f"rejected_{code}": keys for code, keys in report.rejections.items()}
    numbers |= {
        "status": report.status,
        "as_of": report.as_of.isoformat() if report.as_of else "none",
        "plans": ", ".join(report.digests) or "none",
    }
    if report.remote is not None:
        numbers["remote"] = report.remote
    return numbers


def columns(audience: Audience, destination: Destination) -> list[Column]:
    """What a member is sent as: the identifiers the destination takes, the traits the audience maps, the segment's message."""
    identifiers = destination.capabilities.identifiers
    sent = [
        Column(i.column, "VARCHAR", f"{i.kind} as `{i.rule}`; NULL: the member has none", pii=True) for i in identifiers
    ]
    sent += [Column(a.field, "VARCHAR", f"trait {a.trait}") for a in audience.attributes]
    sent += [
        Column(a.column, "VARCHAR", f"{a.kind} as `{a.rule}`, to be matched better", pii=True)
        for a in destination.capabilities.along
    ]
    message = audience.message if destination.capabilities.attributes else {}
    return sent + [Column(name, "VARCHAR", f"`{value}`, of the segment's message") for name, value in message.items()]


def _checked(audience: Audience, report: SyncReport) -> Iterator[dg.AssetCheckResult]:
    """Whether denials wait, and whether the tool took all else of what it was sent."""
    key = audience_key(audience.name)
    since = report.denied_since.isoformat() if report.denied_since else "unknown"
    waiting: dict[str, Any] = {"waiting": report.denials, "since": since if report.denials else "none"}
    if report.denials:
        waiting["how_long"] = waited(report.denied_since, clock.now())
        waiting["why"] = "sending is off" if report.status == "off" else f"{report.destination} did not take them"
    yield dg.AssetCheckResult(passed=not report.denials, check_name=DENIALS_CHECK, asset_key=key, metadata=waiting)
    yield dg.AssetCheckResult(
        passed=report.status not in ("partial", "refused", "undelivered"),
        check_name=TAKEN_CHECK,
        asset_key=key,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"uncertain": report.uncertain + report.uncertain_removals, "refused": report.remove_rejected},
    )


def _left_behind(audience: Audience, left: Sequence[SyncReport]) -> dg.AssetCheckResult:
    said = "; ".join(reason for report in left for reason in report.reasons)
    return dg.AssetCheckResult(
        passed=not left,
        check_name=LEFT_CHECK,
        asset_key=audience_key(audience.name),
        metadata={"left": len(left), "why": said or "none"},
    )


def _audience_asset(
    audience: Audience,
    catalogue: Catalogue,
    settings: Settings,
    sources: Mapping[str, Source],
    destinations: Mapping[str, Destination],
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"sync_{audience.name}",
        specs=[
            specs.spec(
                ["audiences", audience.name],
                group=GROUP,
                description=f"Segment {audience.segment} in {audience.destination}, for {audience.channel} {audience.purpose}",
                columns=columns(audience, destinations[audience.destination]),
                owner=audience.owner,
                kinds=[kind_of(destinations[audience.destination])],
                deps=[segment_key(audience.segment)],
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                DENIALS_CHECK,
                asset=audience_key(audience.name),
                description="no explicit denial, suppression or erasure waits: sending is on, and the tool took them",
            ),
            dg.AssetCheckSpec(
                TAKEN_CHECK,
                asset=audience_key(audience.name),
                description="the tool took all it was sent and let go of all who left",
            ),
            dg.AssetCheckSpec(
                LEFT_CHECK,
                asset=audience_key(audience.name),
                description="no audience is left at a tool that nobody declares any more and nobody retired",
            ),
        ],
        # All of them: who is claimed by another audience depends on what its destination can reach.
        required_resource_keys=resource_keys(sources, destinations),
        pool=audience.destination,
    )
    def body(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        if "dagster/backfill" in context.run.tags:
            raise dg.Failure(
                "a backfill never sends: launch the job sync, or `segment-pipeline audiences sync`", allow_retries=False
            )
        tools: dict[str, Destination] = in_run(context, ConnectorKind.DESTINATION, destinations)
        connectors: dict[str, Source] = in_run(context, ConnectorKind.SOURCE, sources)
        lake = Lake.open(settings)
        with in_our_words(context, retries=1, wait=60), closing(Ledger.open(settings.ledger)) as ledger:
            of = Round(
                lake,
                ledger,
                catalogue.enabled_audiences(settings),
                tools,
                settings,
                declared=catalogue.audiences,
                refresh_consents=lambda: refresh_consents(lake, connectors, settings, context.run.run_id),
                key_spaces=catalogue.identity.key_spaces,
            )
            (report,) = sync(of, only=[audience.name])
            left = see_to_left(of)
        yield from _checked(audience, report)
        yield _left_behind(audience, left)
        if report.status in FAILING:
            raise dg.Failure(_why(report), metadata=metadata(report, tools[audience.destination]), allow_retries=False)
        told = metadata(report, tools[audience.destination])
        yield dg.MaterializeResult(asset_key=audience_key(audience.name), metadata=told)

    return body


def _why(report: SyncReport) -> str:
    reasons = "; ".join(report.reasons)
    if report.status == "undelivered":
        waiting = f"{report.waiting(clock.now())}: {report.destination} did not take them, the people concerned are still in it"
        return "; ".join([waiting, *report.reasons])
    if report.status != "held":
        return reasons
    # A plan of denials is listed first and was sent; the last is the one that waits.
    approve = f"`segment-pipeline audiences approve {report.digests[-1]}`" if report.digests else "sync again"
    return f"held, nothing but denials was sent: {reasons}; fix it, or {approve}"
