"""What goes along with a person's identifiers: traits an audience maps, what of their profile helps to match them, the segment's message."""

import json
from collections.abc import Mapping, Sequence
from datetime import date

from segment_pipeline.audiences.audience import Attribute, Audience
from segment_pipeline.delivery.destination import Capabilities, IdentifierRule
from segment_pipeline.errors import ConfigError
from segment_pipeline.identifiers import RULES
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement, generated
from segment_pipeline.profiles.traits.sets import declared, define_traits, read_by, trait_types, unready


def define_attributes(session: Session, audience: Audience, capabilities: Capabilities, as_of: date) -> None:
    """The view `member_attributes`; raises ConfigError for a trait nobody declares or a tool that takes no attributes."""
    if capabilities.along:
        session.scan("profiles", alias="profiles_along")
        session.define("member_attributes", _along(capabilities.along), materialize=True)
    if not audience.attributes:
        return
    if not capabilities.attributes:
        raise ConfigError(
            f"audience {audience.name} maps traits but destination {audience.destination} takes none: drop `attributes`"
        )
    types = trait_types(declared())
    for attribute in audience.attributes:
        if attribute.trait not in types:
            raise ConfigError(
                f"audience {audience.name} maps trait {attribute.trait}, which nobody declares: "
                "`segment-pipeline traits` lists them"
            )
    sets = read_by([attribute.trait for attribute in audience.attributes], declared())
    if why := unready(session, as_of, sets):
        raise ConfigError(f"audience {audience.name} maps traits that cannot be read: {next(iter(why.values()))}")
    define_traits(session, as_of, sets)
    session.define("member_attributes", _mapped(audience.attributes), materialize=True)


def told_of(traits: str | None, message: Mapping[str, str]) -> str:
    """SQL: a JSON object of a message, the same for all, and of traits already in one (None: of none); NULL for neither."""
    if not message:
        return traits or "CAST(NULL AS VARCHAR)"
    same = ",".join(_json_name(name) + json.dumps(value, ensure_ascii=False) for name, value in sorted(message.items()))
    if traits is None:
        return literal(f"{{{same}}}")
    more = f"{literal(f'{{{same},')} || substr({traits}, 2)"
    return f"CASE WHEN coalesce({traits}, '{{}}') = '{{}}' THEN {literal(f'{{{same}}}')} ELSE {more} END"


def _along(along: Sequence[IdentifierRule]) -> Statement:
    """One row per person of whose profile something goes with a row: a JSON object of it; the row of the current id first."""
    values = ", ".join(
        f"coalesce({RULES[rule.rule].sql(f'p.{quote(rule.kind)}')}, '') AS {quote(rule.column)}" for rule in along
    )
    parts = " || ".join(
        f"CASE WHEN {quote(rule.column)} = '' THEN '' "
        f"ELSE {literal(',' + _json_name(rule.column))} || '\"' || {quote(rule.column)} || '\"' END"
        for rule in along
    )
    return generated(
        "audiences/member_along",
        f"""SELECT profile_id, '{{' || substr(parts, 2) || '}}' AS attributes FROM (
            SELECT profile_id, place, {parts} AS parts FROM (
                SELECT coalesce(a.new_profile_id, p.profile_id) AS profile_id, {values},
                    row_number() OVER (
                        PARTITION BY coalesce(a.new_profile_id, p.profile_id)
                        ORDER BY CASE WHEN a.new_profile_id IS NULL THEN 0 ELSE 1 END, p.profile_id
                    ) AS place
                FROM profiles_along AS p LEFT JOIN profile_aliases AS a ON a.old_profile_id = p.profile_id
            )
        ) WHERE place = 1 AND parts <> ''""",
    )


def _mapped(mapped: Sequence[Attribute]) -> Statement:
    """One row per person: the mapped traits as a JSON object without the unknown ones; the row of the current id first."""
    parts = []
    for attribute in mapped:
        name = literal(_json_name(attribute.field))
        value = f"CAST(to_json(t.{quote(attribute.trait)}) AS VARCHAR)"
        known = f"t.{quote(attribute.trait)} IS NOT NULL"
        otherwise = f"ELSE {name} || 'null'" if attribute.clears else ""
        parts.append(f"CASE WHEN {known} THEN {name} || {value} {otherwise} END")
    return generated(
        "audiences/member_attributes",
        f"""SELECT profile_id, attributes FROM (
            SELECT coalesce(a.new_profile_id, t.profile_id) AS profile_id,
                '{{' || concat_ws(',', {", ".join(parts)}) || '}}' AS attributes,
                row_number() OVER (
                    PARTITION BY coalesce(a.new_profile_id, t.profile_id)
                    ORDER BY CASE WHEN a.new_profile_id IS NULL THEN 0 ELSE 1 END, t.profile_id
                ) AS place
            FROM traits AS t LEFT JOIN profile_aliases AS a ON a.old_profile_id = t.profile_id
        ) WHERE place = 1""",
    )


def _json_name(field: str) -> str:
    return json.dumps(field) + ":"
