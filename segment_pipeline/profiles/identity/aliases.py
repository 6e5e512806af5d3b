"""Ids that gave way to others: who stands for the same person now. Flat: one join with `profile_aliases` finds the person."""

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement


def rebuild(session: Session, as_of: AsOf) -> int:
    """Write `profile_aliases` after the snapshot of `as_of` was replaced; returns its rows.

    Needs the views records (of `as_of`) and identities_replaced (what the snapshot held before). An alias follows from the
    snapshots that exist, so the order in which days were built does not show; only ids whose snapshots are gone rest on
    what the table held.
    """
    session.scan("identities")
    days = [row["as_of"] for row in session.rows("SELECT DISTINCT as_of FROM identities ORDER BY as_of")]
    newest = max(days, default=as_of.day)
    session.define("identity_days", "SELECT DISTINCT as_of FROM identities", materialize=True)
    session.scan("identities", partitions={"as_of": [newest]}, alias="identities_newest")
    session.scan("profile_aliases", alias="aliases_before")
    session.define("past_identities", statement("profiles/identity", "past_identities"), newest=newest)
    for name in ("lost_members", "asked_for", "anchors"):
        session.define(name, statement("profiles/identity", name), materialize=True)
    session.define(
        "lost_heirs", statement("profiles/identity", "lost_heirs"), materialize=True, newest=newest, as_of=as_of.day
    )
    session.define("new_aliases", statement("profiles/identity", "aliases"), materialize=True)
    same = session.value(
        "SELECT count(*) FROM ((SELECT * FROM new_aliases EXCEPT SELECT * FROM aliases_before) "
        "UNION ALL (SELECT * FROM aliases_before EXCEPT SELECT * FROM new_aliases))"
    )
    if same:
        session.replace("profile_aliases", "SELECT * FROM new_aliases")
    return int(session.value("SELECT count(*) FROM new_aliases"))
