"""What goes along with a person's identifiers: traits an audience maps, what of their profile helps to match them, the segment's message.

It is made twice and kept never: as a digest of everybody's, to see whose has changed, and as text of those it is sent with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from segment_pipeline.audiences.audience import Attribute, Audience
from segment_pipeline.delivery.destination import Capabilities, IdentifierRule
from segment_pipeline.errors import ConfigError
from segment_pipeline.identifiers import RULES
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement, trusted
from segment_pipeline.profiles.traits.sets import declared, define_traits, read_by, trait_types, unready


@dataclass(frozen=True, slots=True)
class Told:
    """SQL of what goes along with people: `text`, a JSON object or NULL for nothing, once `joins` stand after a relation `k` of them."""

    text: str = "CAST(NULL AS VARCHAR)"
    joins: str = ""

    @property
    def digest(self) -> str:
        """SQL: NULL where nothing goes along."""
        return digest_of(self.text)


NOTHING = Told()


def digest_of(text: str) -> str:
    """SQL: the digest of an attributes text, by which a change is seen."""
    return f"substr(sha256({text}), 1, 32)"


def told(audience: Audience, capabilities: Capabilities) -> Told:
    """What goes along with members of an audience; reads what `define_attributes` defines."""
    mapped, joins = None, ""
    if audience.attributes:
        mapped, joins = _mapped(audience.attributes), _JOINED
    elif capabilities.along:
        mapped, joins = _along(capabilities.along), _JOINED + _looked_up(capabilities.along)
    message = audience.message if capabilities.attributes else {}
    return Told(_told_of(mapped, message), joins)


def define_attributes(session: Session, audience: Audience, capabilities: Capabilities, as_of: date) -> None:
    """The view `people_along`; raises ConfigError for a trait nobody declares or a tool that takes no attributes."""
    if not audience.attributes:
        if capabilities.along:
            session.scan("profiles", alias="profiles_known")
            session.define("profiles_along", f"SELECT *, {_STATE} AS state FROM profiles_known")
            fields = list(dict.fromkeys(rule.kind for rule in capabilities.along))
            session.define("people_along", _people("profiles_along", fields))
            for place, rule in enumerate(capabilities.along):
                session.define(f"along_{place}", _values(rule), materialize=True)
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
    traits = list(dict.fromkeys(attribute.trait for attribute in audience.attributes))
    sets = read_by(traits, declared())
    if why := unready(session, as_of, sets):
        raise ConfigError(f"audience {audience.name} maps traits that cannot be read: {next(iter(why.values()))}")
    define_traits(session, as_of, sets)
    session.define("people_along", _people("traits", traits))


_STATE = "coalesce(country, '') || '-' || coalesce(region, '')"
_JOINED = " LEFT JOIN people_along AS t ON t.profile_id = k.profile_id"


def _told_of(mapped: str | None, message: Mapping[str, str]) -> str:
    """SQL: a JSON object of a message, the same for all, and of what is already one (None: nothing is); NULL for neither."""
    if not message:
        return mapped or NOTHING.text
    same = ",".join(_json_name(name) + json.dumps(value, ensure_ascii=False) for name, value in sorted(message.items()))
    if mapped is None:
        return literal(f"{{{same}}}")
    more = f"{literal(f'{{{same},')} || substr({mapped}, 2)"
    return f"CASE WHEN coalesce({mapped}, '{{}}') = '{{}}' THEN {literal(f'{{{same}}}')} ELSE {more} END"


def _along(along: Sequence[IdentifierRule]) -> str:
    """SQL: a JSON object of what is known of a person `t`, each as sent; NULL for nothing."""
    parts = " || ".join(
        f"coalesce({literal(',' + _json_name(rule.column))} || a{place}.sent, '')" for place, rule in enumerate(along)
    )
    return f"'{{' || substr(nullif({parts}, ''), 2) || '}}'"


def _looked_up(along: Sequence[IdentifierRule]) -> str:
    return "".join(
        f" LEFT JOIN along_{place} AS a{place} ON a{place}.value = t.{quote(rule.kind)}"
        for place, rule in enumerate(along)
    )


def _values(rule: IdentifierRule) -> Statement:
    """One row per value anybody has in a field of their profile, with the value as sent, as JSON: many people share a name or a country.

    NULL where nothing is left to send.
    """
    sent = RULES[rule.rule].sql("v.value")
    return trusted(
        "audiences/along_values",
        f"""SELECT v.value, CAST(to_json(nullif(CAST({sent} AS VARCHAR), '')) AS VARCHAR) AS sent
        FROM (SELECT DISTINCT {quote(rule.kind)} AS value FROM profiles_along) AS v WHERE v.value IS NOT NULL""",
    )


def _mapped(mapped: Sequence[Attribute]) -> str:
    """SQL: the mapped traits of a person `t` as a JSON object without the unknown ones; NULL for somebody without traits."""
    parts = []
    for attribute in mapped:
        name = literal(_json_name(attribute.field))
        value = f"CAST(to_json(t.{quote(attribute.trait)}) AS VARCHAR)"
        known = f"t.{quote(attribute.trait)} IS NOT NULL"
        otherwise = f"ELSE {name} || 'null'" if attribute.clears else ""
        parts.append(f"CASE WHEN {known} THEN {name} || {value} {otherwise} END")
    return f"CASE WHEN t.profile_id IS NOT NULL THEN '{{' || concat_ws(',', {', '.join(parts)}) || '}}' END"


def _people(relation: str, columns: Sequence[str]) -> Statement:
    """One row per person of a relation with one row per id, under the id that stands for them now: the row of that id if there is one."""
    fields = ", ".join(f"p.{quote(column)}" for column in columns)
    named = ", ".join(quote(column) for column in columns)
    return trusted(
        "audiences/people_along",
        f"""SELECT p.profile_id, {fields}
        FROM {quote(relation)} AS p LEFT JOIN profile_aliases AS a ON a.old_profile_id = p.profile_id
        WHERE a.old_profile_id IS NULL
        UNION ALL
        SELECT profile_id, {named}
        FROM (
            SELECT a.new_profile_id AS profile_id, {fields},
                row_number() OVER (PARTITION BY a.new_profile_id ORDER BY p.profile_id) AS place
            FROM profile_aliases AS a
            JOIN {quote(relation)} AS p ON p.profile_id = a.old_profile_id
            LEFT JOIN {quote(relation)} AS n ON n.profile_id = a.new_profile_id
            LEFT JOIN profile_aliases AS b ON b.old_profile_id = a.new_profile_id
            WHERE n.profile_id IS NULL OR b.old_profile_id IS NOT NULL
        ) AS inherited
        WHERE place = 1""",
    )


def _json_name(field: str) -> str:
    return json.dumps(field) + ":"
