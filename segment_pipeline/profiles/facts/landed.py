"""Whether a table's source is known to have spoken for a day: what tells a known zero from an unknown."""

from collections.abc import Collection

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.profiles.facts.runs import once


def landed(session: Session, names: Collection[str], as_of: AsOf) -> dict[str, bool]:
    """By table: True when `loads` has a row for the table and the day; where nothing was ever recorded for the table, when it
    holds any row of the day or earlier."""
    once(session, "landed_days", "SELECT DISTINCT table_name, day FROM loads", scans=("loads",))
    rows = session.rows(
        "SELECT table_name, bool_or(day = $as_of) AS of_day FROM landed_days GROUP BY table_name", as_of=as_of.day
    )
    recorded = {row["table_name"]: bool(row["of_day"]) for row in rows}
    return {
        name: recorded[name] if name in recorded else any(e["day"] <= as_of.day for e in session.lake.partitions(name))
        for name in names
    }
