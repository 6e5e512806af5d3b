"""Tables of the lake as pandas frames, for notebooks and reports: the promised way to take people's data out in Python.

    from segment_pipeline.frames import memberships, traits
    traits(columns=["spend_365d", "lifecycle_stage"]).groupby("lifecycle_stage").spend_365d.sum()

Columns are Arrow-backed, so that NULL is `NA`, whole numbers stay whole and money stays exact; `astype(float)` where a
library wants floats. Frames hold people's data: what is written from them is yours to protect.
"""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import pyarrow as pa

from segment_pipeline.company import settings_here
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.traits.sets import define_traits, unready
from segment_pipeline.settings import Settings
from segment_pipeline.traits import TraitSet


def traits(
    as_of: date | None = None,
    *,
    columns: Sequence[str] = (),
    own: Sequence[TraitSet] = (),
    settings: Settings | None = None,
) -> pd.DataFrame:
    """One row per person known on a day (None: the newest), by `profile_id`.

    `columns`: these traits, by default all; `own`: the company's own sets whose traits are wanted, too.
    Raises ConfigError for a day without traits, for a trait there is none of, and for an own set not computed that day.
    """
    lake = Lake.open(settings or settings_here())
    day = _day(lake, "traits", as_of)
    known = [c for c in table("traits").names if c not in ("as_of", "profile_id", "definition_hash")]
    known += [trait.name for one in own for trait in one.traits]
    if unknown := sorted(set(columns) - set(known)):
        raise ConfigError(f"there is no trait {', '.join(unknown)}: `segment-pipeline traits` lists what there is")
    with lake.session() as session:
        if missing := unready(session, day, own):
            raise ConfigError("; ".join(missing.values()))
        define_traits(session, day, own)
        chosen = ", ".join(quote(column) for column in ("profile_id", *(columns or known)))
        found = session.table(f"SELECT {chosen} FROM traits ORDER BY profile_id")
    return _frame(found).set_index("profile_id")


def memberships(
    as_of: date | None = None, *, segments: Sequence[str] = (), settings: Settings | None = None
) -> pd.DataFrame:
    """One row per person and segment they are in on a day (None: the newest); `segments`: these, by default all.

    Raises ConfigError for a day without memberships, and for a segment that was not evaluated on it.
    """
    lake = Lake.open(settings or settings_here())
    day = _day(lake, "memberships", as_of)
    with lake.session() as session:
        session.scan("memberships", partitions={"as_of": [day]})
        found = _frame(session.table("SELECT segment, profile_id FROM memberships ORDER BY segment, profile_id"))
        session.scan("segment_sizes", partitions={"as_of": [day]})
        evaluated = {row["segment"] for row in session.rows("SELECT segment FROM segment_sizes")}
    if unknown := sorted(set(segments) - evaluated):
        raise ConfigError(f"no segment {', '.join(unknown)} was evaluated as of {day}: see `segment-pipeline segments`")
    return found[found["segment"].isin(list(segments))].reset_index(drop=True) if segments else found


def sizes(*, settings: Settings | None = None) -> pd.DataFrame:
    """One row per day, one column per segment: its size on every day it was evaluated, NA on those it was not."""
    with Lake.open(settings or settings_here()).session() as session:
        session.scan("segment_sizes")
        found = _frame(session.table("SELECT as_of, segment, size FROM segment_sizes ORDER BY as_of, segment"))
    return found.pivot_table(index="as_of", columns="segment", values="size", aggfunc="first")


def _day(lake: Lake, name: str, as_of: date | None) -> date:
    days = lake.snapshots(name)
    day = as_of or (days[-1] if days else None)
    if day is None or day not in days:
        held = f"it has {len(days)} days from {days[0]} to {days[-1]}" if days else "it has none yet"
        raise ConfigError(f"the lake has no {name} as of {day or 'any day'}, {held}: segment-pipeline refresh")
    return day


def _frame(rows: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    return frame
