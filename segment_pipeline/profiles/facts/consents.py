"""Statements about consent with the time each counts from: what eligibility, reachability and the golden record all rest on.

Decides nothing about who may be sent to; the rule is written in docs/consent.md.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.persons import register_key_spaces
from segment_pipeline.profiles.facts.versions import define_account_versions

# Tables whose days say since when a source has been speaking, beside the creation of its accounts.
_SPEAKING = ("orders", "events")


def define_consent_statements(session: Session, key_spaces: Mapping[str, str], *, lost: bool = False) -> None:
    """Define consent_statements. `key_spaces`: sources whose customer keys are another source's.

    `lost`: a table of consents that is lost is read as an empty one, by somebody who sends nobody while it is.
    """
    session.scan("consents", lost=lost)
    session.scan("customers")
    register_key_spaces(session, key_spaces)
    session.given("first_days", {"source": "VARCHAR", "first_at": "TIMESTAMPTZ"}, _first_days(session))
    session.define("first_records", statement("profiles/facts", "first_records"), materialize=True)
    session.define("ended_accounts", statement("profiles/facts", "ended_accounts"), materialize=True)
    session.define("consent_statements", statement("profiles/facts", "consent_statements"))


def define_consent_changes(session: Session, as_of: AsOf, key_spaces: Mapping[str, str]) -> None:
    """Define consent_changes, when people said yes or no otherwise than before, over activity_persons."""
    define_consent_statements(session, key_spaces)
    define_account_versions(session, as_of)
    session.define("consent_persons", statement("profiles/facts", "consent_persons"))
    session.define("consent_changes", statement("profiles/facts", "consent_changes"), zone=as_of.zone, end=as_of.end)


def _first_days(session: Session) -> list[tuple[str, datetime]]:
    """By source, the first instant of the first day it has rows under, whatever time zone the day is of."""
    first: dict[str, datetime] = {}
    for entry in (entry for name in _SPEAKING for entry in session.lake.partitions(name)):
        began = datetime.combine(entry["day"], time(), UTC) - timedelta(days=1)
        first[entry["source"]] = min(began, first.get(entry["source"], began))
    return list(first.items())
