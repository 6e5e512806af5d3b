"""What is known of each record as of a day: the identifiers it carries, and which of their values may link it to others.

Reads facts; joins nobody to anybody.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.persons import register_key_spaces
from segment_pipeline.profiles.facts.runs import once, several
from segment_pipeline.profiles.facts.versions import (
    define_account_versions,
    define_carts_as_of,
    define_order_versions,
    define_orders_as_of,
)
from segment_pipeline.profiles.identity.named import define_record_names
from segment_pipeline.profiles.rules import IdentityRules

_NOTHING = r"[^\s\S]"  # A pattern no text matches.


def define_records(session: Session, as_of: AsOf, rules: IdentityRules) -> None:
    """Define the views of facts as of a day: records, accounts, identifiers, and what they are made of."""
    for name in ("messages", "survey_answers"):
        session.scan(name)
    register_rules(session, rules)
    define_account_versions(session, as_of)
    define_order_versions(session)
    once(session, "order_customers", statement("profiles/identity", "order_customers"), scans=())
    _define_sightings(session, as_of)
    session.scan("carts")
    _define_nameless(session, as_of, rules)
    define_orders_as_of(session, as_of)
    define_carts_as_of(session, as_of, materialize=True)
    session.define("visits_by_contact", statement("profiles/identity", "visits_by_contact"))
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
    define_record_names(session)


def _define_nameless(session: Session, as_of: AsOf, rules: IdentityRules) -> None:
    """Define nameless_keys, the customer keys that name nobody: what is named by them is its own."""
    session.define("named_keys", statement("profiles/identity", "named_keys"))
    _define(session, "nameless_keys", customer_key_patterns=pattern_of(rules, "customer_key"), end=as_of.end)
    session.define("nameless_cart_keys", "SELECT source, customer_key FROM nameless_keys")


def _define_sightings(session: Session, as_of: AsOf) -> None:
    """Define seen_contacts: by days where more days than one are to come, else from the events as they are."""
    if several(session):
        once(session, "event_days", statement("profiles/identity", "event_days"), scans=("events",))
        session.define("sightings", "SELECT * FROM event_days")
    else:
        session.scan("events")
        session.define("sightings", statement("profiles/identity", "sightings"))
    _define(session, "seen_contacts", as_of=as_of.day)


def define_identifier_values(session: Session, rules: IdentityRules) -> None:
    """Define identifier_values: which values may link records, and why the others may not."""
    patterns = {
        f"{kind}_patterns": pattern_of(rules, kind) for kind in ("email", "phone", "loyalty_id", "anonymous_id")
    }
    _define(session, "blocked_identifiers", **patterns)
    for name in ("guest_companions", "value_counts", "guest_records", "guest_evidence"):
        _define(session, name)
    _define(
        session, "identifier_values", guest_limit=rules.guest_limit, unreachable=_any_of(rules.unreachable.values())
    )
    for name in ("value_counts", "guest_records", "guest_evidence"):
        session.drop(name)


def pattern_of(rules: IdentityRules, kind: str) -> str:
    """All patterns of a type's values that link nobody as one."""
    return _any_of([*rules.blocked_patterns.get(kind, {}).values(), *rules.role_patterns.get(kind, {}).values()])


def _any_of(patterns: Iterable[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns) or _NOTHING


def register_rules(session: Session, rules: IdentityRules) -> None:
    """Make the rules views: key_spaces, people_limits, blocked and allowed (what people decided of single values is among them),
    listed_keys (a `source` of NULL is any)."""
    register_key_spaces(session, rules.key_spaces)
    limits = pa.table(
        {
            "identifier_type": pa.array(rules.limits.keys(), pa.string()),
            "people": pa.array(rules.limits.values(), pa.int64()),
        }
    )
    session.register("people_limits", limits)
    rows: list[tuple[str, str, str | None, str | None, str]] = [
        (kind, "listed", value, None, "nothing") for kind, values in rules.listed.items() for value in values
    ]
    rows += [
        (kind, reason, None, pattern, is_sent)
        for patterns, is_sent in ((rules.blocked_patterns, "nothing"), (rules.role_patterns, "with consent"))
        for kind, found in patterns.items()
        for reason, pattern in found.items()
    ]
    keys: list[tuple[str | None, str]] = [(None, value) for value in rules.listed.get("customer_key", ())]
    keys += [(source, key) for source, mark, key in (value.partition(":") for _, value in keys) if mark]
    of_keys: dict[str, Sequence[str | None]] = {
        "source": [source for source, _ in keys],
        "customer_key": [key for _, key in keys],
    }
    session.register("listed_keys", _texts(of_keys))
    columns = ("identifier_type", "reason", "identifier", "pattern", "is_sent")
    session.register("ruled", _texts({name: [row[at] for row in rows] for at, name in enumerate(columns)}))
    session.scan("identifier_proposals")
    session.define("blocked", statement("profiles/identity", "blocked"), materialize=True)
    session.define(
        "allowed",
        "SELECT identifier_type, identifier FROM identifier_proposals WHERE state = 'allowed'",
        materialize=True,
    )


def _texts(columns: Mapping[str, Sequence[str | None]]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _define(session: Session, name: str, **values: Any) -> None:
    session.define(name, statement("profiles/identity", name), materialize=True, **values)
