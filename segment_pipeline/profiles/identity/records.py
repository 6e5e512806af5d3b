"""What is known of each record as of a day: the identifiers it carries, and which of their values may link it to others.

Reads facts; joins nobody to anybody.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.persons import register_key_spaces
from segment_pipeline.profiles.facts.runs import once, several
from segment_pipeline.profiles.facts.versions import define_account_versions, define_carts, define_orders
from segment_pipeline.profiles.rules import IdentityRules

_NOTHING = r"[^\s\S]"  # A pattern no text matches.


def define_records(session: Session, as_of: AsOf, rules: IdentityRules) -> None:
    """Define the views of facts as of a day: records, accounts, identifiers, and what they are made of."""
    for name in ("messages", "survey_answers"):
        session.scan(name)
    register_rules(session, rules)
    define_account_versions(session, as_of)
    define_orders(session, as_of, numbered=False)
    _define_visits(session, as_of)
    define_carts(session, as_of, materialize=True)
    _define(session, "touches")
    _define(session, "contacts", as_of=as_of.day)
    for name in ("addresses", "records", "accounts", "numbered_addresses", "numbered_touches"):
        _define(session, name)
    for name in ("contacts", "addresses", "touches"):
        session.drop(name)
    _define(session, "former_accounts", as_of=as_of.day)
    session.define("mentions", statement("profiles/identity", "mentions"))
    for name in ("numbered_values", "identifiers"):
        _define(session, name)
    for name in ("mentions", "former_accounts"):
        session.drop(name)


def _define_visits(session: Session, as_of: AsOf) -> None:
    """Define visits_by_contact: by days where more days than one are to come, else from the events as they are."""
    if several(session):
        once(session, "event_days", statement("profiles/identity", "event_days"), scans=("events",))
        session.define("sightings", "SELECT * FROM event_days")
    else:
        session.scan("events")
        session.define("sightings", statement("profiles/identity", "sightings"))
    _define(session, "visits_by_contact", as_of=as_of.day)


def define_identifier_values(session: Session, rules: IdentityRules) -> None:
    """Define identifier_values: which values may link records, and why the others may not."""
    patterns = {f"{kind}_patterns": _any_of(rules, kind) for kind in ("email", "phone", "anonymous_id")}
    _define(session, "blocked_identifiers", **patterns)
    _define(session, "guest_companions")
    _define(session, "identifier_values", guest_limit=rules.guest_limit)


def _any_of(rules: IdentityRules, kind: str) -> str:
    patterns = rules.blocked_patterns.get(kind, {}).values()
    return "|".join(f"(?:{pattern})" for pattern in patterns) or _NOTHING


def register_rules(session: Session, rules: IdentityRules) -> None:
    """Make the rules views: key_spaces, people_limits, blocked."""
    register_key_spaces(session, rules.key_spaces)
    limits = pa.table(
        {
            "identifier_type": pa.array(rules.limits.keys(), pa.string()),
            "people": pa.array(rules.limits.values(), pa.int64()),
        }
    )
    session.register("people_limits", limits)
    rows: list[tuple[str, str, str | None, str | None]] = [
        (kind, "listed", value, None) for kind, values in rules.blocked_values.items() for value in values
    ]
    rows += [
        (kind, reason, None, pattern)
        for kind, found in rules.blocked_patterns.items()
        for reason, pattern in found.items()
    ]
    columns = ("identifier_type", "reason", "identifier", "pattern")
    session.register("blocked", _texts({name: [row[at] for row in rows] for at, name in enumerate(columns)}))


def _texts(columns: Mapping[str, list[str | None]] | Mapping[str, list[str]]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _define(session: Session, name: str, **values: Any) -> None:
    session.define(name, statement("profiles/identity", name), materialize=True, **values)
