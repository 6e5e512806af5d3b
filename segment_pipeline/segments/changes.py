"""Who entered and left: each snapshot against the previous one that exists, a pure function of the snapshots that exist.

A segment's snapshot exists where `segment_sizes` has a row of it and its members were not removed by retention. People are
compared by the ids of the later day, so that an id that changes is nobody who enters.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.runs import Run, session_of
from segment_pipeline.segments.partitions import replace_segments

_PAIRS = pa.schema(
    [
        ("segment", pa.string()),
        ("definition_hash", pa.string()),
        ("previous_as_of", pa.date32()),
        ("previous_hash", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class History:
    """The snapshots that exist: the definition's hash by segment and day."""

    hashes: Mapping[str, Mapping[date, str]]

    @classmethod
    def read(cls, lake: Lake, session: Session, former: Mapping[str, Mapping[str, str]]) -> "History":
        """`former`: by segment, hashes that stand for another one today."""
        session.scan("segment_sizes", alias="sizes_held")
        held = set(lake.snapshots("memberships"))
        rows = session.rows("SELECT as_of, segment, definition_hash, size FROM sizes_held")
        peopled = {row["as_of"] for row in rows if row["size"]}
        hashes: dict[str, dict[date, str]] = {}
        for row in rows:
            # Members counted on a day that has none any more: retention took them, and nobody must seem to enter after it.
            if row["as_of"] in held or row["as_of"] not in peopled:
                made_with = row["definition_hash"]
                today = former.get(row["segment"], {}).get(made_with, made_with)
                hashes.setdefault(row["segment"], {})[row["as_of"]] = today
        return cls(hashes)

    def before(self, segment: str, day: date) -> date | None:
        return max((held for held in self.hashes.get(segment, {}) if held < day), default=None)

    def after(self, segment: str, day: date) -> date | None:
        return min((held for held in self.hashes.get(segment, {}) if held > day), default=None)


def rebuild_changes(
    lake: Lake,
    as_of: date,
    segments: Collection[str],
    run: Run | None = None,
    *,
    former: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Recompute the changes of `as_of` and of each segment's next existing day, for these segments. `former`: as of `History`."""
    with session_of(lake, run) as session:
        history = History.read(lake, session, former or {})
        by_day: dict[date, list[str]] = {}
        for segment in sorted(segments):
            for day in (as_of, history.after(segment, as_of)):
                if day is not None and day in history.hashes.get(segment, {}):
                    by_day.setdefault(day, []).append(segment)
        for day, names in sorted(by_day.items()):
            _rebuild_day(session, history, day, names)


def _rebuild_day(session: Session, history: History, day: date, segments: Collection[str]) -> None:
    by_previous: dict[date | None, list[str]] = {}
    for segment in segments:
        by_previous.setdefault(history.before(segment, day), []).append(segment)
    for number, (previous, names) in enumerate(by_previous.items()):
        _define_pair(session, history, day, previous, names)
        # The views a pair is made of are those of the next pair, too.
        kept = len(by_previous) > 1
        session.define(f"changes_{number}", statement("segments", "changes"), materialize=kept, as_of=day)
    made = " UNION ALL ".join(f"SELECT * FROM changes_{number}" for number in range(len(by_previous)))
    replace_segments(session, "membership_changes", made, day, segments)


def _define_pair(session: Session, history: History, day: date, previous: date | None, names: Collection[str]) -> None:
    pairs = [
        {
            "segment": name,
            "definition_hash": history.hashes[name][day],
            "previous_as_of": previous,
            "previous_hash": history.hashes[name][previous] if previous else None,
        }
        for name in names
    ]
    session.register("segment_pairs", pa.Table.from_pylist(pairs, _PAIRS))
    session.scan("memberships", partitions={"as_of": [day]}, alias="snapshot_now")
    session.scan("memberships", partitions={"as_of": [previous] if previous else []}, alias="snapshot_before")
    _define_heirs(session, day, previous)
    session.define("members_now", statement("segments", "members_now"))
    session.define("members_before", statement("segments", "members_before"))


def _define_heirs(session: Session, day: date, previous: date | None) -> None:
    held = set(session.lake.snapshots("identities"))
    if previous is not None and {day, previous} <= held:
        session.scan("identities", partitions={"as_of": [day]}, alias="identities_now")
        session.scan("identities", partitions={"as_of": [previous]}, alias="identities_before")
        session.define("heirs", statement("segments", "heirs"), materialize=True)
        session.define("touched", statement("segments", "touched"), materialize=True)
        return
    # Identities of older days are not kept for ever; what became of an id is.
    session.scan("profile_aliases")
    session.define("heirs", "SELECT old_profile_id, new_profile_id AS profile_id FROM profile_aliases")
    session.define("touched", statement("segments", "touched_by_alias"), day=day, previous=previous)
