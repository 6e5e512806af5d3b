"""How people become destination keys: SQL made from a destination's identifier rules. Runs nothing.

A destination key is the tuple of identifiers as sent. Most tools hold one row per tuple, whatever they match on; tools with
one record per person hold one per strongest identifier, so tuples that share it are one key there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from segment_pipeline.audiences.audience import Attribute
from segment_pipeline.errors import ConfigError
from segment_pipeline.identifiers import RULES
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.statements import Statement, generated
from segment_pipeline.records import Capabilities

EXTERNAL_ID = "external_id"


@dataclass(frozen=True, slots=True)
class Shape:
    """A destination's identifier columns, strongest first."""

    capabilities: Capabilities

    def __post_init__(self) -> None:
        for identifier in self.capabilities.identifiers:
            if identifier.rule not in RULES:
                raise ConfigError(f"there is no identifier rule {identifier.rule}: identifiers.RULES lists them")

    @property
    def fields(self) -> list[str]:
        return [identifier.column for identifier in self.capabilities.identifiers]

    @property
    def table(self) -> pa.Table:
        """One row per field; `alone`: the field suffices to reach a person."""
        kinds = [identifier.kind for identifier in self.capabilities.identifiers]
        only_ids = set(kinds) == {EXTERNAL_ID}
        return pa.table(
            {
                "field": self.fields,
                "kind": kinds,
                "place": pa.array(range(len(kinds)), pa.int32()),
                "alone": [only_ids or kind != EXTERNAL_ID for kind in kinds],
            }
        )

    @property
    def wants_external_ids(self) -> bool:
        return any(identifier.kind == EXTERNAL_ID for identifier in self.capabilities.identifiers)

    def sent(self, field: str, kind: str, value: str) -> str:
        """SQL: the value as sent of a canonical value, by the names of its field and kind."""
        cases = " ".join(
            f"WHEN {field} = {literal(i.column)} AND {kind} = {literal(i.kind)} THEN {RULES[i.rule].sql(value)}"
            for i in self.capabilities.identifiers
        )
        return f"CASE {cases} END"

    def keyed(self, attributes: Sequence[Attribute]) -> Statement:
        """One row per eligible person: their key, identifiers as sent and attributes."""
        columns = ", ".join(
            f"max(CASE WHEN i.field = {literal(f)} THEN {self.sent('i.field', literal(self._kind(f)), 'i.identifier')} END) AS {quote(f)}"
            for f in self.fields
        )
        tuple_text = " || ".join(f"{literal(f + '=')} || coalesce(w.{quote(f)}, '') || chr(10)" for f in self.fields)
        return generated(
            "audiences/keyed",
            f"""SELECT w.profile_id, substr(sha256({tuple_text}), 1, 32) AS key, {self.json("w")} AS identifiers,
                {", ".join(f"w.{quote(f)}" for f in self.fields)},
                {"t.attributes" if attributes else "CAST(NULL AS VARCHAR)"} AS attributes
            FROM (
                SELECT e.profile_id, {columns}
                FROM eligible AS e JOIN member_identifiers AS i ON i.profile_id = e.profile_id AND i.refusal IS NULL
                GROUP BY e.profile_id
            ) AS w {"LEFT JOIN member_attributes AS t ON t.profile_id = w.profile_id" if attributes else ""}""",
        )

    def _kind(self, field: str) -> str:
        return next(i.kind for i in self.capabilities.identifiers if i.column == field)

    def json(self, alias: str) -> str:
        """SQL: the identifiers that are known, as a JSON object in the order of the fields."""
        parts = ", ".join(
            f"CASE WHEN {alias}.{quote(f)} IS NOT NULL THEN {literal(chr(34) + f + chr(34) + ':')} || CAST(to_json({alias}.{quote(f)}) AS VARCHAR) END"
            for f in self.fields
        )
        return f"'{{' || concat_ws(',', {parts}) || '}}'"

    def attributes(self, mapped: Sequence[Attribute]) -> Statement:
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

    def strongest(self, alias: str) -> str:
        """SQL: `field=value` of the strongest identifier of a row."""
        cases = " ".join(
            f"WHEN {alias}.{quote(f)} IS NOT NULL THEN {literal(f + '=')} || {alias}.{quote(f)}" for f in self.fields
        )
        return f"CASE {cases} END"

    def long(self, relation: str, *kept: str) -> Statement:
        """One row per row of a relation and identifier it carries: the kept columns, `place` of the field, `carries`."""
        columns = "".join(f"{quote(column)}, " for column in kept)
        return generated(
            f"audiences/{relation}_long",
            " UNION ALL ".join(
                f"SELECT {columns}{place} AS place, {literal(f + '=')} || {quote(f)} AS carries "
                f"FROM {quote(relation)} WHERE {quote(f)} IS NOT NULL"
                for place, f in enumerate(self.fields)
            ),
        )

    def record_keys(self) -> Statement:
        """One row per key: the key of the tool's record it is part of. The strongest, then present, then smallest tuple speaks."""
        return generated(
            "audiences/record_keys",
            f"""SELECT key, record FROM (
                SELECT s.key, l.key AS record, row_number() OVER (
                    PARTITION BY s.key ORDER BY l.strength, CASE WHEN h.key IS NULL THEN 1 ELSE 0 END, l.key
                ) AS best
                FROM (SELECT DISTINCT k.key, {self.strongest("k")} AS carries FROM keyed AS k) AS s
                JOIN (
                    SELECT DISTINCT key, carries, min(place) OVER (PARTITION BY key) AS strength FROM keyed_long
                ) AS l ON l.carries = s.carries
                LEFT JOIN audience_members AS h ON h.key = l.key AND h.state <> 'rejected'
            ) WHERE best = 1""",
        )

    def wide(self, relation: str) -> Statement:
        """A relation with `identifiers`, plus one column per field."""
        columns = ", ".join(
            f"json_extract_string(r.identifiers, {literal(_path(f))}) AS {quote(f)}" for f in self.fields
        )
        return generated(f"audiences/{relation}_wide", f"SELECT r.*, {columns} FROM {quote(relation)} AS r")

    def blocked(self) -> Statement:
        """One row per blocked identifier as this destination would have been sent it."""
        parts = " UNION ALL ".join(
            f"SELECT {literal(i.column + '=')} || {RULES[i.rule].sql('b.identifier')} AS carries, b.reason "
            f"FROM blocked_identifiers AS b WHERE b.identifier_type = {literal(i.kind)}"
            for i in self.capabilities.identifiers
        )
        return generated("audiences/blocked_as_sent", parts)

    def removals(self) -> Statement:
        """One row per leaving key, with only the identifiers no staying key carries, so that nobody else is taken out.

        Tools that go by whole tuples are sent the whole tuple.
        `in_place`: the tool's one record lives on under a staying key with the same strongest identifier and is not touched.
        `surplus`: every identifier is carried by staying keys, so the whole tuple is sent and those keys are sent again.
        `remove_first`: the tool could find the record by what a staying key is known by, so the removal must not come last.
        """
        carried = ", ".join(
            f"bool_or(l.place = {place} AND s.carries IS NOT NULL) AS c{place}" for place, _ in enumerate(self.fields)
        )
        all_carried = "bool_and(s.carries IS NOT NULL)"
        lives_on = ", ".join(
            f"bool_or(l.place = {place} AND t.carries IS NOT NULL) AS t{place}" for place, _ in enumerate(self.fields)
        )
        first = " ".join(f"WHEN w.{quote(f)} IS NOT NULL THEN c.t{place}" for place, f in enumerate(self.fields))
        in_place, surplus, remove_first, pruned = "FALSE", "FALSE", "FALSE", False
        if self.capabilities.matches_any_key:
            surplus, remove_first, pruned = "c.all_carried", "TRUE", True
        elif self.capabilities.one_record:
            in_place, pruned = f"CASE {first} END", True
            surplus = f"(c.all_carried AND NOT {in_place})"
            remove_first = f"(c.reachable OR {surplus})"
        strongest_only = [
            f"CASE WHEN {' AND '.join([f'w.{quote(g)} IS NULL' for g in self.fields[:place]] or ['TRUE'])} THEN w.{quote(f)} END"
            for place, f in enumerate(self.fields)
        ]
        columns = ", ".join(
            f"CASE WHEN {surplus} THEN w.{quote(f)} WHEN {in_place} THEN {strongest_only[place]} "
            f"WHEN {f'c.c{place}' if pruned else 'FALSE'} THEN NULL ELSE w.{quote(f)} END AS {quote(f)}"
            for place, f in enumerate(self.fields)
        )
        return generated(
            "audiences/removals",
            f"""SELECT w.key, w.cause, w.kind, w.owners, w.payload_hash, {in_place} AS in_place, {surplus} AS surplus,
                {remove_first} AS remove_first,
                CASE WHEN v.vendor_id IS NOT NULL OR w.cause = 'rekeyed' THEN NULL ELSE w.vendor_id END AS vendor_id, {columns}
            FROM leaving_wide AS w
            JOIN (
                SELECT l.key, {all_carried} AS all_carried, bool_or(t.carries IS NOT NULL) AS reachable,
                    {carried}, {lives_on}
                FROM leaving_long AS l
                LEFT JOIN (SELECT DISTINCT carries FROM staying_long) AS s ON s.carries = l.carries
                LEFT JOIN (SELECT DISTINCT {self.strongest("t")} AS carries FROM staying_wide AS t) AS t ON t.carries = l.carries
                GROUP BY l.key
            ) AS c ON c.key = w.key
            LEFT JOIN (SELECT DISTINCT vendor_id FROM staying WHERE vendor_id IS NOT NULL) AS v ON v.vendor_id = w.vendor_id""",
        )


def _json_name(field: str) -> str:
    return json.dumps(field) + ":"


def _path(field: str) -> str:
    return f'$."{field}"'
