"""The golden record: one row per person, each field from the most trusted record that knows it.

Survivorship, in this order. Accounts alive at their source come before deleted ones; then the sources in the company's
order of trust (`IdentityRules.trust`); then customers before loyalty accounts; then the newest version. A field is the
first known value in that order; given and family name, and the parts of an address, are taken from one account together,
however few of them it knows. Of two accounts the one with a family name, or with a street, city or postcode, comes first;
the country of an address that has none is that of an account which knows of no other address.
The e-mail and the phone are the first by: consent granted, unknown, denied; held by an account, in the order above; newest
seen. Blocked and over-shared ones are never chosen.
"""

import pyarrow as pa

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.consents import define_consent_statements
from segment_pipeline.profiles.identity.records import pattern_of
from segment_pipeline.profiles.rules import IdentityRules


def define_golden(session: Session, as_of: AsOf, rules: IdentityRules) -> None:
    """Define golden_fields and consent_states from the views activity_persons (whose each record is) and accounts (numbered)."""
    session.define("person_records", statement("profiles/identity", "account_persons"), materialize=True)
    _define_survivors(session, as_of, rules)


def _define_survivors(session: Session, as_of: AsOf, rules: IdentityRules) -> None:
    places = pa.table(
        {"source": pa.array(rules.trust, pa.string()), "place": pa.array(range(len(rules.trust)), pa.int64())}
    )
    session.register("trusted", places)
    define_consent_statements(session, rules.key_spaces)
    states = statement("profiles/identity", "consent_states")
    session.define("consent_states", states, materialize=True, end=as_of.end, as_of=as_of.day)
    session.define("person_accounts", statement("profiles/identity", "person_accounts"), materialize=True)
    cards = dict.fromkeys(rules.listed.get("loyalty_id", ()))
    session.register("listed_cards", pa.table({"card": pa.array(cards, pa.string())}))
    session.define(
        "golden_fields",
        statement("profiles/identity", "golden_fields"),
        loyalty_id_patterns=pattern_of(rules, "loyalty_id"),
    )


def define_person_identifiers(session: Session) -> None:
    """Define person_identifiers from the views `persons`, records and identifiers."""
    session.define("person_records", statement("profiles/identity", "numbered_persons"), materialize=True)
    session.define("known_people", statement("profiles/identity", "numbered_people"), materialize=True)
    session.define("person_values", statement("profiles/identity", "person_values"), materialize=True)
    session.define("person_identifiers", statement("profiles/identity", "person_identifiers"), materialize=True)


def write_profiles(session: Session, as_of: AsOf, rules: IdentityRules) -> None:
    """Write `profiles` and `profile_identifiers`: the newest as_of only. Needs the views of `identity.resolve_records`."""
    _define_survivors(session, as_of, rules)
    for name in ("person_values", "held_values", "best_contacts"):
        session.define(name, statement("profiles/identity", name), materialize=True)
    session.replace("profiles", statement("profiles/identity", "profiles"), as_of=as_of.day)
    session.define("person_identifiers", statement("profiles/identity", "person_identifiers"))
    session.replace("profile_identifiers", statement("profiles/identity", "profile_identifiers"), as_of=as_of.day)
