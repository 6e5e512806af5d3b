"""What is remembered of an audience made what its tool holds, where the two may differ: memory was lost, or is older than it was.

A tool that can be read is read; else one that can is given all of it in the place of what it holds; else another audience is
filled there, and the old one deleted. Until one of these is done the audience stays unverified and is held.
"""

from collections.abc import Sequence

from segment_pipeline.audiences.places import LEFT
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.retire import DELETE, Leftover, Retiring, left_places
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.run import Run, accounted
from segment_pipeline.delivery.destination import Deletable
from segment_pipeline.errors import ConfigError


def reconcile(
    of: Round, name: str, *, destination: str | None = None, strangers: str | None = None, show: bool = False
) -> list[SyncReport]:
    """Reconcile audience `name` at the tool it is declared for, or the places it was left at; then sync it, guarded and accounted.

    `destination`: at this tool only. `strangers`: whose members are that a tool holds and no record tells of, `ours` or `theirs`; as
    long as nobody says so where records are missing, the audience stays unverified. `show`: what it would do; nothing is sent or stored. Raises ConfigError for an audience
    that is neither declared nor left anywhere.
    """
    here = [a for a in of.catalogue if a.name == name and destination in (None, a.destination)]
    runs: list[Run] = [Run(of, audience, reconciling=True, strangers=strangers) for audience in here]
    left = left_places(of, name, destination)
    runs += [Leftover(of, place, reconciling=True, strangers=strangers) for place in left]
    if not runs:
        raise ConfigError(f"there is no audience {name}: `segment-pipeline audiences list` names them")
    if not show:
        of.refresh()
    reports = [accounted(run, show=show) for run in runs]
    return reports if show or not of.settings.sending else [*reports, *_superseded(of, runs, reports)]


def _superseded(of: Round, runs: Sequence[Run], reports: Sequence[SyncReport]) -> list[SyncReport]:
    """The end of what was left at the tool once another audience there holds everybody."""
    done = {(r.audience, r.destination) for run, r in zip(runs, reports, strict=True) if r.status == "synced"}
    found = []
    for place in of.ledger.places.all():
        at = (place.audience, place.destination)
        if place.state == LEFT and at in done and isinstance(of.destinations.get(place.destination), Deletable):
            found.append(accounted(Retiring(of, place, DELETE)))
    return found
