"""Ids that gave way to others: who stands for the same person now. Every durable reader joins through `current_profile`."""

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement, statement

CURRENT_PROFILE = Statement(
    "profiles/identity/current_profile",
    "SELECT old_profile_id, new_profile_id AS profile_id, since, cause FROM profile_aliases",
)


def define_current_profile(session: Session) -> None:
    """Define the view current_profile(old_profile_id, profile_id, since, cause), one row per id that gave way.

    Use: LEFT JOIN current_profile AS c ON c.old_profile_id = t.profile_id, and coalesce(c.profile_id, t.profile_id).
    The table is flat: one join suffices. An id without a row is alive, or its person was erased with all records.
    """
    session.scan("profile_aliases")
    session.define("current_profile", CURRENT_PROFILE)


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
