"""One person as the lake holds them: for the privacy officer's question and the engineer's. Reads; changes nothing."""

from collections.abc import Mapping
from typing import Any

from segment_pipeline import identifiers
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import Subject, Table
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.lake.tables import all_tables, table
from segment_pipeline.profiles.facts.persons import register_key_spaces
from segment_pipeline.profiles.traits.sets import declared, define_traits, trait_types, unready
from segment_pipeline.traits import TraitSet


def find_profile(
    lake: Lake, *, profile_id: str | None = None, email: str | None = None, phone: str | None = None, country: str
) -> str:
    """The current id of the person with this id (old ids count), e-mail or phone. `country`: of a phone without a prefix.

    Raises ConfigError when nobody has it, or several people do: then their ids are in the message, never the value.
    """
    with lake.session() as session:
        session.scan("profile_identifiers")
        session.scan("profile_aliases")
        session.scan("profiles")
        if profile_id is not None:
            found = session.rows(statement("profiles", "view_by_id"), profile_id=profile_id)
        else:
            kind = "email" if email is not None else "phone"
            value = identifiers.email(email) if email is not None else identifiers.phone(phone, country)
            if value is None:
                raise ConfigError(f"this is not a usable {kind}: check its spelling")
            found = session.rows(statement("profiles", "view_by_identifier"), identifier_type=kind, identifier=value)
    if not found:
        raise ConfigError(
            "nobody in the lake has this id, e-mail or phone: is the newest day's identities asset materialised?"
        )
    if len(found) > 1:
        ids = ", ".join(row["profile_id"] for row in found)
        raise ConfigError(f"{len(found)} people share it: choose one with --id: {ids}")
    return str(found[0]["profile_id"])


def profile_view(lake: Lake, profile_id: str, key_spaces: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Golden record, identifiers, records, traits, segments with since when, consents, what each tool holds, and how much more.

    Fields: profile, identifiers, records, traits, segments, consents, audiences, and held, the rows about the person by table;
    lists are sorted. `key_spaces`: sources whose customer keys are another source's. Raises nothing where rows are missing.
    """
    with lake.session() as session:
        define_person(session, profile_id, key_spaces or {})
        held = {}
        for declared_table in all_tables():
            if declared_table.subject is not None:
                session.scan(declared_table.name)
                rows = f"SELECT count(*) FROM {quote(declared_table.name)} AS t WHERE {theirs(declared_table)}"
                held[declared_table.name] = int(session.value(rows))
        newest = {name: max(lake.snapshots(name), default=None) for name in ("identities", "traits", "memberships")}
        for name, day in newest.items():
            session.scan(name, partitions={"as_of": [day] if day else []})
        sets: list[TraitSet] = []
        if day := newest["traits"]:
            why = unready(session, day, declared())
            sets = [own for own in declared() if own.name not in why]
            define_traits(session, day, sets)
        return {
            "profile": _first(_rows(session, "profiles")),
            "traits": _first(_rows(session, "traits", "as_of", "profile_id", *trait_types(sets))),
            "identifiers": _rows(
                session, "profile_identifiers", "identifier_type", "identifier", "last_seen_at", "usable", "standing"
            ),
            "records": _rows(session, "identities", "source", "entity", "record_key"),
            "segments": session.rows(statement("profiles", "view_segments")),
            "consents": _newest_first(
                _rows(
                    session,
                    "consents",
                    "channel",
                    "purpose",
                    "status",
                    "recorded_at",
                    "source",
                    "evidence",
                    "identifier_type",
                )
            ),
            "audiences": session.rows(statement("profiles", "view_audiences")),
            "held": [{"table": name, "rows": rows} for name, rows in held.items() if rows],
        }


def define_person(session: Session, profile_id: str, key_spaces: Mapping[str, str]) -> None:
    """Define what the rows of one person are found by: person (the id), person_ids (and those it took the place of),
    person_records and person_identifiers of the newest day, and person_<table> of each table through which others are theirs."""
    session.define("person", "SELECT $profile_id AS profile_id", profile_id=profile_id)
    session.scan("profile_aliases")
    session.define(
        "person_ids",
        "SELECT profile_id FROM person UNION SELECT a.old_profile_id FROM profile_aliases AS a JOIN person AS p ON p.profile_id = a.new_profile_id",
        materialize=True,
    )
    newest = max(session.lake.snapshots("identities"), default=None)
    session.scan("identities", partitions={"as_of": [newest] if newest else []}, alias="newest_identities")
    register_key_spaces(session, key_spaces)
    records = "SELECT i.source, i.entity, i.record_key FROM newest_identities AS i JOIN person AS p ON p.profile_id = i.profile_id"
    session.define(
        "person_records",
        f"{records} UNION SELECT k.source, r.entity, r.record_key FROM ({records}) AS r"
        " JOIN key_spaces AS k ON k.owner = r.source WHERE r.entity = 'customer'",
        materialize=True,
    )
    session.scan("profile_identifiers")
    session.define(
        "person_identifiers",
        "SELECT i.identifier_type, i.identifier FROM profile_identifiers AS i JOIN person AS p ON p.profile_id = i.profile_id",
        materialize=True,
    )
    # Read once, not again for every table that hangs on it: a year is a file for each day and source.
    for name in sorted({each.subject.through for each in all_tables() if each.subject and each.subject.through}):
        session.scan(name)
        of = f"SELECT DISTINCT t.source, t.order_key FROM {quote(name)} AS t WHERE {theirs(table(name))}"
        session.define(f"person_{name}", of, materialize=True)


def theirs(declared_table: Table) -> str:
    """The condition on a table aliased `t` that a row is about the person of `define_person`. A table without a subject has none."""
    subject, tests = declared_table.subject or Subject(), []
    for column in subject.profiles:
        if declared_table.by_name[column].type == "VARCHAR[]":
            tests.append(f"EXISTS (SELECT 1 FROM person_ids AS p WHERE list_contains(t.{quote(column)}, p.profile_id))")
        else:
            tests.append(f"t.{quote(column)} IN (SELECT profile_id FROM person_ids)")
    for entity, column in subject.records:
        match entity:
            case "entity":
                tests.append(
                    f"(t.source, t.entity, t.{quote(column)}) IN (SELECT source, entity, record_key FROM person_records)"
                )
            case "any":
                tests.append(f"(t.source, t.{quote(column)}) IN (SELECT source, record_key FROM person_records)")
            case _:
                of = f"SELECT source, record_key FROM person_records WHERE entity = {literal(entity)}"
                tests.append(f"(t.source, t.{quote(column)}) IN ({of})")
    for kind, column in subject.identifiers:
        of = f"SELECT identifier FROM person_identifiers WHERE identifier_type = {literal(kind)}"
        tests.append(f"t.{quote(column)} IN ({of})")
    if subject.typed:
        value = "CASE WHEN t.identifier_type = 'customer_key' THEN concat_ws(':', t.source, t.identifier) ELSE t.identifier END"
        tests.append(f"(t.identifier_type, {value}) IN (SELECT identifier_type, identifier FROM person_identifiers)")
    if subject.mentions:
        tests.append(
            "EXISTS (SELECT 1 FROM person_identifiers AS i WHERE i.identifier_type IN ('email', 'phone', 'loyalty_id')"
            f" AND strpos(lower(t.{quote(subject.mentions)}), lower(i.identifier)) > 0)"
        )
    if subject.through:
        tests.append(f"(t.source, t.order_key) IN (SELECT source, order_key FROM {quote(f'person_{subject.through}')})")
    return " OR ".join(tests) or "FALSE"


def _rows(session: Session, name: str, *columns: str) -> list[dict[str, Any]]:
    """The person's rows of a table that was scanned, sorted by the columns asked for; none asked for: all, as they come."""
    chosen = ", ".join(f"t.{quote(column)}" for column in columns)
    query = f"SELECT {chosen or 't.*'} FROM {quote(name)} AS t WHERE {theirs(table(name))}"
    return session.rows(f"{query} ORDER BY {chosen}" if chosen else query)


def _first(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return rows[0] if rows else {}


def _newest_first(consents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_name = sorted(consents, key=lambda said: (said["channel"], said["purpose"], said["source"]))
    return sorted(by_name, key=lambda said: said["recorded_at"], reverse=True)
