"""What the command line does to audiences, outside of a Dagster run but through the same rooms."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.reconcile import reconcile
from segment_pipeline.audiences.rename import rename
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.retire import retire, see_to_left
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.run import Look
from segment_pipeline.audiences.sync import approve, plan_only, resend, sync
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import opened
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.consents import refresh_consents
from segment_pipeline.settings import Settings


@contextmanager
def _round(catalogue: Catalogue, settings: Settings, *, pulling: bool) -> Iterator[Round]:
    """A round over a company's lake, ledger and tools. `pulling`: its sources are opened too, for consents as of now."""
    lake = Lake.open(settings)
    connectors = opened(catalogue.enabled_sources(settings) if pulling else {})
    tools = opened(catalogue.enabled_destinations(settings))
    with closing(Ledger.open(settings.ledger)) as ledger, connectors as sources, tools as destinations:
        yield Round(
            lake,
            ledger,
            catalogue.enabled_audiences(settings),
            destinations,
            settings,
            declared=catalogue.audiences_today(),
            refresh_consents=lambda: refresh_consents(lake, sources, settings, f"cli-{uuid.uuid4()}"),
            key_spaces=catalogue.identity.key_spaces,
        )


def planned(catalogue: Catalogue, settings: Settings, name: str, *, everything: bool = False) -> SyncReport:
    """What a sync of the audience, or with `everything` a resending, would do by the lake as it is: nothing is pulled, sent or stored."""
    catalogue.audience(name)
    with _round(catalogue, settings, pulling=False) as of:
        (report,) = plan_only(of, only=[name], everything=everything)
    return report


def withheld(catalogue: Catalogue, settings: Settings, names: Iterable[str]) -> list[SyncReport]:
    """What a sync of each of these audiences would do, of those that have denials waiting; nothing is sent."""
    if not Lake.open(settings).snapshots("segment_sizes"):
        return []
    reports = [planned(catalogue, settings, name) for name in names]
    return [report for report in reports if report.denials]


def synced(
    catalogue: Catalogue, settings: Settings, name: str, *, show: bool = False, look: Look | None = None
) -> list[SyncReport]:
    """Sync one audience now, consent first, and what audiences left behind that nobody declares any more.

    A name that nobody declares and that was left somewhere is seen to as that. `show`: what that would do, by the lake as it is.
    """
    with _round(catalogue, settings, pulling=not show) as of:
        declared = any(audience.name == name for audience in of.catalogue)
        if not declared and not of.ledger.places.all(name):
            catalogue.audience(name)
        only = [name] if declared else []
        reports = plan_only(of, only=only, look=look) if show else sync(of, only=only)
        return [*reports, *see_to_left(of, show=show)]


def retired(
    catalogue: Catalogue, settings: Settings, name: str, how: str, *, destination: str | None, show: bool
) -> list[SyncReport]:
    """Empty, delete or hand over what was left of an audience, or show what that would do."""
    with _round(catalogue, settings, pulling=not show) as of:
        return retire(of, name, how, destination=destination, show=show)


def reconciled(
    catalogue: Catalogue,
    settings: Settings,
    name: str,
    *,
    destination: str | None,
    strangers: str | None,
    show: bool,
) -> list[SyncReport]:
    """Make what is remembered of an audience what its tool holds, and sync it; or show what that would do."""
    with _round(catalogue, settings, pulling=not show) as of:
        return reconcile(of, name, destination=destination, strangers=strangers, show=show)


def renamed(catalogue: Catalogue, settings: Settings, old: str, new: str) -> int:
    """Carry an audience over to another name, here and at its tools; returns the rows of the lake that changed."""
    with _round(catalogue, settings, pulling=False) as of:
        return rename(of.lake, of.ledger, old, new, declared=of.catalogue, destinations=of.destinations)


def resent(catalogue: Catalogue, settings: Settings, name: str) -> SyncReport:
    """Send everybody who should be in an audience to a tool that lost it or them, consent first."""
    catalogue.audience(name)
    with _round(catalogue, settings, pulling=True) as of:
        return resend(of, name)


def approved(catalogue: Catalogue, settings: Settings, digest: str) -> SyncReport:
    """Send a held plan, as far as it still holds."""
    with _round(catalogue, settings, pulling=True) as of:
        return approve(of, digest)
