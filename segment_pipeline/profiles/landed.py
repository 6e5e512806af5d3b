"""Whether a table's source is known to have spoken for a day: what tells a known zero from an unknown."""

from datetime import date

from segment_pipeline.lake.lake import Session


def landed(session: Session, name: str, as_of: date) -> bool:
    """True when `loads` has a row for the table and the day; where nothing was ever recorded for the table, when it holds
    any row of the day or earlier."""
    session.scan("loads")
    days = session.rows(
        "SELECT count(*) AS rows, count(*) FILTER (WHERE day = $as_of) AS of_day FROM loads WHERE table_name = $name",
        name=name,
        as_of=as_of,
    )[0]
    if days["rows"]:
        return bool(days["of_day"])
    return any(entry["day"] <= as_of for entry in session.lake.partitions(name))
