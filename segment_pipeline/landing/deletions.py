"""What a source is asked after: a vendor that tells nobody of deletions and merges is asked for each account, or product, once a week.

A seventh of them has its turn each day, so that a day asks little and a night that failed is made up for by the next. What is
answered for one is evidence about that one alone: a page that is missing closes nobody.
"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta

from segment_pipeline import clock
from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.raw import Known, RawPages
from segment_pipeline.settings import Settings

EVERY = 7
# Fewer may go on any day, whatever share of those asked after they are.
FEW = 3


def asked_after(lake: Lake, source: str, table: str, window: Window, settings: Settings) -> tuple[Known, ...]:
    """Customers or products of a source whose turn is on a day of the window and that did not change in it.

    None for a window of days gone by: what is not there now may have gone since.
    """
    if window.last < clock.today(settings.timezone) - timedelta(days=1):
        return ()
    turns = {day.toordinal() % EVERY for day in window.days()} if len(window) < EVERY else set(range(EVERY))
    with lake.session() as session:
        for name in (table, "orders"):
            session.scan(name, partitions={"source": [source]})
        rows = session.rows(statement("landing", f"{table}_there"), first=window.first)
    return tuple(Known(row["key"], row["order_key"]) for row in rows if _turn(row["key"]) in turns)


def note_gone(into: RawPages, timezone: str, survivors: Mapping[str, str | None], *, most: float) -> None:
    """Keep which of those asked after are gone, with the one each was merged into (None: into none that is known).

    Raises ContractError when they are more than `most` of those asked after: then it is not they that are gone.
    """
    asked = len(into.known)
    if len(survivors) > max(FEW, most * asked):
        raise ContractError(
            f"{into.source}/{into.entity}: {len(survivors)} of the {asked} asked after are said to be gone, more than {most:.0%}:"
            " nothing was closed; see that the credentials are of the same company, or set a larger `most_gone`"
        )
    at = min(into.window.instants(timezone)[1], into.pulled_at) - timedelta(seconds=1)
    for key, survivor in sorted(survivors.items()):
        into.add_line("gone", {"id": key, "survivor": survivor, "at": at.isoformat()})


def _turn(key: str) -> int:
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % EVERY
