"""What the command line does to audiences, outside of a Dagster run but through the same rooms."""

import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.reconcile import reconcile
from segment_pipeline.audiences.rename import rename
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.retire import retire, see_to_left
from segment_pipeline.audiences.run import Look
from segment_pipeline.audiences.sync import approve, plan_only, resend, sync
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import opened
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.consents import refresh_consents
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings


def planned(
    catalogue: Catalogue, settings: Settings, name: str, *, everything: bool = False, look: Look | None = None
) -> SyncReport:
    """What a sync of the audience, or with `everything` a resending, would do by the lake as it is: nothing is pulled, sent or stored."""
    catalogue.audience(name)
    audiences = catalogue.enabled_audiences(settings)
    tools = opened(catalogue.enabled_destinations(settings))
    with closing(Ledger.open(settings.ledger)) as ledger, tools as destinations:
        (report,) = plan_only(
            Lake.open(settings),
            ledger,
            audiences,
            destinations,
            settings,
            only=[name],
            everything=everything,
            look=look,
            key_spaces=catalogue.identity.key_spaces,
        )
    return report


def withheld(catalogue: Catalogue, settings: Settings, names: Iterable[str]) -> list[SyncReport]:
    """What a sync of each of these audiences would do, of those that have denials waiting; nothing is sent."""
    if not Lake.open(settings).snapshots("segment_sizes"):
        return []
    reports = [planned(catalogue, settings, name) for name in names]
    return [report for report in reports if report.denials]


def synced(catalogue: Catalogue, settings: Settings, name: str) -> list[SyncReport]:
    """Sync one audience now, consent first, and what audiences left behind that nobody declares any more.

    A name that nobody declares and that was left somewhere is seen to as that.
    """
    lake, connectors, tools = Lake.open(settings), *_connectors(catalogue, settings)
    with closing(Ledger.open(settings.ledger)) as ledger, connectors as sources, tools as destinations:
        declared = any(audience.name == name for audience in catalogue.audiences)
        if not declared and not ledger.places.all(name):
            catalogue.audience(name)
        reports = sync(
            lake,
            ledger,
            catalogue.enabled_audiences(settings),
            destinations,
            settings,
            refresh_consents=lambda: refresh_consents(lake, sources, settings, f"cli-{uuid.uuid4()}"),
            key_spaces=catalogue.identity.key_spaces,
            only=[name] if declared else [],
        )
        key_spaces = catalogue.identity.key_spaces
        left = see_to_left(lake, ledger, catalogue.audiences, destinations, settings, key_spaces=key_spaces)
        return [*reports, *left]


def retired(
    catalogue: Catalogue, settings: Settings, name: str, how: str, *, destination: str | None, show: bool
) -> list[SyncReport]:
    """Empty, delete or hand over what was left of an audience, or show what that would do."""
    lake, connectors, tools = Lake.open(settings), *_connectors(catalogue, settings)
    with closing(Ledger.open(settings.ledger)) as ledger, connectors as sources, tools as destinations:
        return retire(
            lake,
            ledger,
            catalogue.audiences,
            destinations,
            settings,
            name,
            how,
            destination=destination,
            refresh_consents=lambda: refresh_consents(lake, sources, settings, f"cli-{uuid.uuid4()}"),
            key_spaces=catalogue.identity.key_spaces,
            show=show,
        )


def reconciled(
    catalogue: Catalogue, settings: Settings, name: str, *, destination: str | None, show: bool
) -> list[SyncReport]:
    """Make what is remembered of an audience what its tool holds, and sync it; or show what that would do."""
    lake, connectors, tools = Lake.open(settings), *_connectors(catalogue, settings)
    with closing(Ledger.open(settings.ledger)) as ledger, connectors as sources, tools as destinations:
        return reconcile(
            lake,
            ledger,
            catalogue.audiences,
            destinations,
            settings,
            name,
            destination=destination,
            refresh_consents=lambda: refresh_consents(lake, sources, settings, f"cli-{uuid.uuid4()}"),
            key_spaces=catalogue.identity.key_spaces,
            show=show,
        )


def renamed(catalogue: Catalogue, settings: Settings, old: str, new: str) -> int:
    """Carry an audience over to another name, here and at its tools; returns the rows of the lake that changed."""
    tools = opened(catalogue.enabled_destinations(settings))
    with closing(Ledger.open(settings.ledger)) as ledger, tools as destinations:
        return rename(Lake.open(settings), ledger, old, new, declared=catalogue.audiences, destinations=destinations)


def resent(catalogue: Catalogue, settings: Settings, name: str) -> SyncReport:
    """Send everybody who should be in an audience to a tool that lost it or them, consent first."""
    catalogue.audience(name)
    lake, connectors, tools = Lake.open(settings), *_connectors(catalogue, settings)
    with closing(Ledger.open(settings.ledger)) as ledger, connectors as sources, tools as destinations:
        return resend(
            lake,
            ledger,
            catalogue.enabled_audiences(settings),
            destinations,
            settings,
            name,
            refresh_consents=lambda: refresh_consents(lake, sources, settings, f"cli-{uuid.uuid4()}"),
            key_spaces=catalogue.identity.key_spaces,
        )


def approved(catalogue: Catalogue, settings: Settings, digest: str) -> SyncReport:
    """Send a held plan, as far as it still holds."""
    lake, connectors, tools = Lake.open(settings), *_connectors(catalogue, settings)
    with closing(Ledger.open(settings.ledger)) as ledger, connectors as sources, tools as destinations:
        return approve(
            lake,
            ledger,
            catalogue.enabled_audiences(settings),
            destinations,
            settings,
            digest,
            refresh_consents=lambda: refresh_consents(lake, sources, settings, f"cli-{uuid.uuid4()}"),
            key_spaces=catalogue.identity.key_spaces,
        )


def _connectors(
    catalogue: Catalogue, settings: Settings
) -> tuple[AbstractContextManager[dict[str, Source]], AbstractContextManager[dict[str, Destination]]]:
    return opened(catalogue.enabled_sources(settings)), opened(catalogue.enabled_destinations(settings))
