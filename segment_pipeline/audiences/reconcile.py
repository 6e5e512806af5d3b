"""What is remembered of an audience made what its tool holds, where the two may differ: memory was lost, or is older than it was.

A tool that can be read is read; else one that can is given all of it in the place of what it holds; else another audience is
filled there, and the old one deleted. Until one of these is done the audience stays unverified and is held.
"""

from collections.abc import Mapping, Sequence

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.decision import NO_SPACES, Refresh, Round
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import LEFT
from segment_pipeline.audiences.push import Progress
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.retire import DELETE, Leftover, Retiring, left_places
from segment_pipeline.audiences.run import Run, accounted
from segment_pipeline.delivery.destination import Deletable, Destination
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.settings import Settings


def reconcile(  # noqa: PLR0917 - the same five things every call here takes, and the name
    lake: Lake,
    ledger: Ledger,
    declared: Sequence[Audience],
    destinations: Mapping[str, Destination],
    settings: Settings,
    name: str,
    *,
    destination: str | None = None,
    refresh_consents: Refresh | None = None,
    progress: Progress | None = None,
    key_spaces: Mapping[str, str] = NO_SPACES,
    show: bool = False,
) -> list[SyncReport]:
    """Reconcile audience `name` at the tool it is declared for, or the places it was left at; then sync it, guarded and accounted.

    `destination`: at this tool only. `show`: what it would do; nothing is sent or stored. Raises ConfigError for an audience
    that is neither declared nor left anywhere.
    """
    of = Round(lake, ledger, declared, destinations, settings, refresh_consents, progress, key_spaces=key_spaces)
    here = [a for a in declared if a.name == name and destination in (None, a.destination)]
    runs: list[Run] = [Run(of, audience, reconciling=True) for audience in here]
    runs += [
        Leftover(of, place, reconciling=True)
        for place in left_places(lake, ledger, declared)
        if place.audience == name and destination in (None, place.destination)
    ]
    if not runs:
        raise ConfigError(f"there is no audience {name}: `segment-pipeline audiences list` names them")
    if refresh_consents and not show:
        refresh_consents()
    reports = [accounted(run, Run.show if show else Run.send) for run in runs]
    return reports if show or not settings.sending else [*reports, *_superseded(of, runs, reports)]


def _superseded(of: Round, runs: Sequence[Run], reports: Sequence[SyncReport]) -> list[SyncReport]:
    """The end of what was left at the tool once another audience there holds everybody."""
    done = {(r.audience, r.destination) for run, r in zip(runs, reports, strict=True) if r.status == "synced"}
    found = []
    for place in of.ledger.places.all():
        at = (place.audience, place.destination)
        if place.state == LEFT and at in done and isinstance(of.destinations.get(place.destination), Deletable):
            found.append(accounted(Retiring(of, place, DELETE)))
    return found
