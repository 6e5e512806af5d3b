"""What one ingest did: the counts that loads, checks and the pages of Dagster show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from segment_pipeline.days import Window


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did. `window`: the days asked for, without the look-back; `pulled`: with it.

    `rows`: rows of the pull by table; `by_day`: the same by table and day. `received`: records in the pages, repeats
    included; `said`: distinct records the source says the pulled window has (None: it does not say). `quarantined`: records
    refused, by reason. `unknown_events`: events whose name is the source's own and none of EVENT_NAMES, by name. `requests`: HTTP
    requests made; 0 when stored pages were landed again. `notes`: what a person should know of it, a sentence each.
    """

    source: str
    entity: str
    window: Window
    pulled: Window
    received: int
    said: int | None
    rows: Mapping[str, int]
    by_day: Mapping[str, Mapping[date, int]]
    quarantined: Mapping[str, int]
    unknown_events: Mapping[str, int]
    requests: int
    notes: tuple[str, ...] = ()
    seconds: float = field(compare=False, default=0.0)


def strays(counted: Sequence[Mapping[str, Any]], reach: Window) -> list[str]:
    """A note on rows outside the window: a table somebody else keeps is read whole, and a function may return too much.

    `counted`: `n` usable and `bad` refused rows by `day`.
    """
    found = [row for row in counted if row["day"] is not None and row["day"] not in reach]
    if not found:
        return []
    rows, days = sum(row["n"] + row["bad"] for row in found), [row["day"] for row in found]
    return [f"{rows} rows are of days outside the window ({min(days)} to {max(days)}) and were left out"]
