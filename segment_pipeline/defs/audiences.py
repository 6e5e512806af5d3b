"""Audience assets: one per audience, unpartitioned, each the sync of that audience; the only assets that send."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

import dagster as dg

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.sync import sync
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import ConnectorKind
from segment_pipeline.defs import specs
from segment_pipeline.defs.failures import told
from segment_pipeline.defs.resources import in_run, kind_of, resource_keys
from segment_pipeline.defs.segments import segment_key
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.consents import refresh_consents
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings

GROUP = "audiences"
NUMBERS = (

    "candidates", "eligible", "desired", "unchanged", "added", "updated", "removed",
    "rejected", "remove_rejected", "held", "held_removals", "uncertain", "uncertain_removals", "requests",
)  # fmt: skip


def audience_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["audiences", name])


def assets(
    catalogue: Catalogue, settings: Settings, sources: Mapping[str, Source], destinations: Mapping[str, Destination]
) -> list[dg.AssetsDefinition]:
    """One asset per audience whose destination is switched on, serialised per destination by a pool."""
    return [
        _audience_asset(audience, catalogue, settings, sources, destinations)
        for audience in catalogue.audiences
        if audience.destination in destinations
    ]


def metadata(report: SyncReport) -> dict[str, Any]:
    """A sync's numbers under their fixed names; reasons for ineligibility as `ineligible_<reason>`."""
    values = asdict(report)
    numbers: dict[str, Any] = {name: values[name] for name in NUMBERS}
    numbers |= {f"ineligible_{reason}": count for reason, count in sorted(report.ineligible.items())}
    numbers |= {
        "status": report.status,
        "as_of": report.as_of.isoformat() if report.as_of else "none",
        "plans": ", ".join(report.digests) or "none",
    }
    if report.remote is not None:
        numbers["remote"] = report.remote
    return numbers


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
                table=table("audience_members"),
                owner=audience.owner,
                kinds=[kind_of(destinations[audience.destination])],
                deps=[segment_key(audience.segment)],
            )
        ],
        # All of them: who is claimed by another audience depends on what its destination can reach.
        required_resource_keys=resource_keys(sources, destinations),
        pool=audience.destination,
        retry_policy=dg.RetryPolicy(max_retries=1, delay=60),
    )
    def body(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        if "dagster/backfill" in context.run.tags:
            raise dg.Failure(
                "a backfill never sends: launch the job sync, or `segment-pipeline audiences sync`", allow_retries=False
            )
        tools: dict[str, Destination] = in_run(context, ConnectorKind.DESTINATION, destinations)
        connectors: dict[str, Source] = in_run(context, ConnectorKind.SOURCE, sources)
        lake = Lake.open(settings)
        with told(), closing(Ledger.open(settings.ledger)) as ledger:
            (report,) = sync(
                lake,
                ledger,
                catalogue.enabled_audiences(settings),
                tools,
                settings,
                refresh_consents=lambda: refresh_consents(lake, connectors, settings, context.run.run_id),
                only=[audience.name],
            )
        if report.status in ("held", "failed"):
            raise dg.Failure(_why(report), metadata=metadata(report), allow_retries=False)
        return dg.MaterializeResult(asset_key=audience_key(audience.name), metadata=metadata(report))

    return body


def _why(report: SyncReport) -> str:
    reasons = "; ".join(report.reasons)
    if report.status == "failed":
        return reasons
    # A plan of denials is listed first and was sent; the last is the one that waits.
    approve = f"`segment-pipeline audiences approve {report.digests[-1]}`" if report.digests else "sync again"
    return f"held, nothing but denials was sent: {reasons}; fix it, or {approve}"
