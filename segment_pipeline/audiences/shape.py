"""How people become destination keys: SQL made from a destination's identifier rules. Runs nothing.

A destination key is the tuple of identifiers as sent. Most tools hold one row per tuple, whatever they match on; tools with
one record per person hold one per strongest identifier, so tuples that share it are one key there.
"""

from dataclasses import dataclass

from segment_pipeline.audiences.attributes import NOTHING, Told, digest_of
from segment_pipeline.delivery.destination import Capabilities
from segment_pipeline.errors import ConfigError
from segment_pipeline.identifiers import RULES
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.statements import Statement, trusted

EXTERNAL_ID = "external_id"
USER_ID = "user_id:"


@dataclass(frozen=True, slots=True)
class Shape:
    """A destination's identifier columns, strongest first."""

    capabilities: Capabilities

    def __post_init__(self) -> None:
        for identifier in self.capabilities.identifiers:
            if identifier.rule not in RULES:
                raise ConfigError(f"there is no identifier rule {identifier.rule}: take one of {', '.join(RULES)}")
        if self.capabilities.every and (len(self._kinds) > 1 or not _is_id(self._kinds[0])):
            raise ConfigError(
                "only where ids of one kind are all that a tool takes, each of a person's may be a member"
            )

    @property
    def fields(self) -> list[str]:
        return [identifier.column for identifier in self.capabilities.identifiers]

    @property
    def described(self) -> list[tuple[str, str, int, bool, bool]]:
        """Each field, its kind, its place, whether it suffices to reach a person, and whether it is an id: nothing one consents to."""
        kinds = [identifier.kind for identifier in self.capabilities.identifiers]
        only_ids = set(kinds) == {EXTERNAL_ID}
        return [
            (field, kind, place, only_ids or kind != EXTERNAL_ID, _is_id(kind))
            for place, (field, kind) in enumerate(zip(self.fields, kinds, strict=True))
        ]

    @property
    def wants_external_ids(self) -> bool:
        return any(identifier.kind == EXTERNAL_ID for identifier in self.capabilities.identifiers)

    @property
    def users_of(self) -> list[str]:
        """The sources whose customers the destination knows by the ids they have there."""
        return [kind.removeprefix(USER_ID) for kind in self._kinds if kind.startswith(USER_ID)]

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """Each kind of identifier the destination takes, with a bit of its own."""
        return [(kind, 1 << place) for place, kind in enumerate(self._kinds)]

    @property
    def _kinds(self) -> list[str]:
        return list(dict.fromkeys(identifier.kind for identifier in self.capabilities.identifiers))

    def candidate_identifiers(self) -> Statement:
        """One row per candidate nothing speaks against and combination of their identifiers, one of each kind.

        A single row for most people.
        """
        kinds = self._kinds
        columns = "".join(f", k{n}.identifier AS kind_{n}" for n, _ in enumerate(kinds))
        blocked = " OR ".join(f"coalesce(k{n}.blocked, FALSE)" for n, _ in enumerate(kinds))
        joins = " ".join(
            f"""LEFT JOIN (
                SELECT s.profile_id, s.identifier, b.identifier IS NOT NULL AS blocked
                FROM sendable_identifiers AS s
                LEFT JOIN blocked_identifiers AS b ON b.identifier_type = s.identifier_type AND b.identifier = s.identifier
                WHERE s.identifier_type = {literal(kind)}
            ) AS k{n} ON k{n}.profile_id = m.profile_id"""
            for n, kind in enumerate(kinds)
        )
        return trusted(
            "audiences/candidate_identifiers",
            f"""SELECT m.profile_id, m.granted, m.account_granted, m.granted_kinds, {blocked} AS blocked {columns}
            FROM candidate_consent AS m {joins} WHERE m.reason IS NULL""",
        )

    def judged(self, *, person_level: bool) -> Statement:
        """One row per candidate: the first reason they may not be sent to (NULL: none so far), and a value to send per field.

        Most people have at most one identifier of a kind and none of theirs is blocked: what may be sent of them follows
        from the row. The special ones are weighed identifier by identifier in `member_identifiers`.
        """
        return trusted(
            "audiences/judged",
            f"""SELECT profile_id, reason, {", ".join(f"CAST(NULL AS VARCHAR) AS {value}" for value in self.values)}
            FROM candidate_consent
            WHERE reason IS NOT NULL
            UNION ALL
            SELECT c.profile_id, CASE
                    WHEN {self._any("c", alone=True, covered=True, person_level=person_level)} THEN NULL
                    WHEN {self._any("c", alone=False, covered=False, person_level=person_level)} THEN 'no_consent'
                    ELSE 'no_identifier'
                END AS reason, {self._values("c", person_level=person_level)}
            FROM candidate_identifiers AS c LEFT JOIN special_people AS o ON o.profile_id = c.profile_id
            WHERE o.profile_id IS NULL
            UNION ALL
            SELECT m.profile_id, CASE
                    WHEN i.sendable > 0 THEN NULL
                    WHEN i.suppressed > 0 THEN 'suppressed'
                    WHEN i.refused > 0 THEN 'no_consent'
                    ELSE 'no_identifier'
                END AS reason, {", ".join(f"i.{value}" for value in self.values)}
            FROM special_people AS m
            JOIN (
                SELECT profile_id,
                    sum(CASE WHEN refusal IS NULL AND alone THEN 1 ELSE 0 END) AS sendable,
                    sum(CASE WHEN refusal IN ('suppressed', 'erased') THEN 1 ELSE 0 END) AS suppressed,
                    sum(CASE WHEN refusal IS NOT NULL THEN 1 ELSE 0 END) AS refused,
                    {", ".join(f"max(CASE WHEN place = {n} AND refusal IS NULL THEN identifier END) AS {value}" for n, value in enumerate(self.values))}
                FROM member_identifiers
                GROUP BY profile_id
            ) AS i ON i.profile_id = m.profile_id""",
        )

    @property
    def values(self) -> list[str]:
        """Columns of canonical values, one per field."""
        return [f"value_{place}" for place, _ in enumerate(self.fields)]

    def _covered(self, alias: str, kind: str, *, person_level: bool) -> str:
        """SQL: a consent covers the identifier of this kind of a person who has one of it."""
        if _is_id(kind):
            return "TRUE"
        by_person = "" if person_level else f" AND {alias}.account_granted"
        bit = 1 << self._kinds.index(kind)
        return f"(({alias}.granted{by_person}) OR ({alias}.granted_kinds & {bit}) <> 0)"

    def _any(self, alias: str, *, alone: bool, covered: bool, person_level: bool) -> str:
        """SQL: one of the fields has an identifier that is covered or, the other way round, one that is not."""
        kinds = dict.fromkeys(kind for _, kind, _, suffices, _ in self.described if suffices or not alone)
        parts = [
            f"({alias}.kind_{self._kinds.index(kind)} IS NOT NULL "
            f"AND {'' if covered else 'NOT '}{self._covered(alias, kind, person_level=person_level)})"
            for kind in kinds
        ]
        return f"({' OR '.join(parts)})"

    def _values(self, alias: str, *, person_level: bool) -> str:
        return ", ".join(
            f"CASE WHEN {self._covered(alias, i.kind, person_level=person_level)} "
            f"THEN {alias}.kind_{self._kinds.index(i.kind)} END AS {value}"
            for value, i in zip(self.values, self.capabilities.identifiers, strict=True)
        )

    def as_sent(self, alias: str) -> str:
        """SQL: the columns of the fields, each the value as sent of the canonical one."""
        return ", ".join(
            f"{RULES[i.rule].sql(f'{alias}.{value}')} AS {quote(i.column)}"
            for value, i in zip(self.values, self.capabilities.identifiers, strict=True)
        )

    def keyed(self, along: Told = NOTHING, *, known: bool = True) -> Statement:
        """One row per eligible person, or id of theirs where each counts: key, canonical values, and a digest of what goes along.

        The digest is NULL where nothing does. `known` False: nobody is eligible, and of nobody is it worked out what they have.
        """
        members = self._members if known else "eligible"
        values = ", ".join(f"k.{value}" for value in self.values)
        return trusted(
            "audiences/keyed",
            f"""SELECT k.profile_id, substr(sha256({self._tuple_text("k")}), 1, 32) AS key, {values},
                {along.digest} AS payload_hash
            FROM (SELECT e.*, {self.as_sent("e")} FROM {members} AS e) AS k{along.joins}""",
        )

    @property
    def _members(self) -> str:
        if not self.capabilities.every:
            return "eligible"
        (kind,) = self._kinds
        values = ", ".join(f"s.identifier AS {value}" for value in self.values)
        return f"""(
            SELECT p.profile_id, {values} FROM eligible AS p
            JOIN sendable_identifiers AS s ON s.profile_id = p.profile_id AND s.identifier_type = {literal(kind)}
            LEFT JOIN blocked_identifiers AS b ON b.identifier_type = s.identifier_type AND b.identifier = s.identifier
            WHERE b.identifier IS NULL
        )"""

    def told_apart(self, along: Told) -> Statement:
        """One row per desired key of several people with whom different things would go along: the digest of what is sent."""
        return trusted(
            "audiences/told_apart",
            f"""SELECT key, {digest_of("min(attributes)")} AS payload_hash FROM (
                SELECT k.key, {along.text} AS attributes
                FROM keyed AS k JOIN desired_keys AS d ON d.key = k.key AND d.told_apart{along.joins}
            ) AS told GROUP BY key""",
        )

    def told_upserts(self, along: Told) -> Statement:
        """One row per key of `upserts` that somebody desired is sent under: what goes along (NULL: nothing)."""
        return trusted(
            "audiences/told_upserts",
            f"""SELECT key, min(attributes) AS attributes FROM (
                SELECT k.key, {along.text} AS attributes
                FROM keyed AS k JOIN (SELECT DISTINCT key FROM upserts) AS u ON u.key = k.key{along.joins}
            ) AS told GROUP BY key""",
        )

    def told(self) -> Statement:
        """One row per member of `tool_rows`, as a key of ours would be made of it."""
        named = ", ".join(f"s.{quote(f)}" for f in self.fields)
        return trusted(
            "audiences/told",
            f"""SELECT substr(sha256({self._tuple_text("s")}), 1, 32) AS key, {self.json("s")} AS identifiers, {named},
                max(s.vendor_id) AS vendor_id
            FROM tool_rows AS s GROUP BY {named}""",
        )

    def recognised(self) -> Statement:
        """One row per remembered key that the tool holds: the member it tells of (`told`).

        Where the tool keeps a record per person the member is known by the tool's id or by the strongest identifier, whatever
        else the record has learnt; elsewhere a member is its whole tuple.
        """
        if not self.capabilities.one_record:
            joined = "SELECT r.key, t.key AS told FROM remembered_wide AS r JOIN tool_keyed AS t ON t.key = r.key"
            return trusted("audiences/recognised", joined)
        first = self.strongest("r")
        return trusted(
            "audiences/recognised",
            f"""SELECT key, min(told) AS told FROM (
                SELECT r.key, t.key AS told FROM remembered_wide AS r JOIN tool_keyed AS t ON t.vendor_id = r.vendor_id
                UNION ALL
                SELECT r.key, l.key AS told FROM (SELECT r.key, {first} AS carries FROM remembered_wide AS r) AS r
                JOIN tool_long AS l ON l.carries = r.carries
            ) GROUP BY key""",
        )

    def _tuple_text(self, alias: str) -> str:
        return " || ".join(f"{literal(f + '=')} || coalesce({alias}.{quote(f)}, '') || chr(10)" for f in self.fields)

    def nobody(self) -> str:
        """SQL: the columns of `eligible`, without a row."""
        return f"SELECT {', '.join(f'CAST(NULL AS VARCHAR) AS {c}' for c in ('profile_id', *self.values))} WHERE FALSE"

    def keyed_identifiers(self) -> Statement:
        """One row per person and identifier they are sent under, where a tool finds rows by single identifiers."""
        by_identifier = self.capabilities.matches_any_key or self.capabilities.one_record
        parts = []
        for place, (value, i) in enumerate(zip(self.values, self.capabilities.identifiers, strict=True)):
            stronger = " AND ".join(f"k.{v} IS NULL" for v in self.values[:place]) or "TRUE"
            parts.append(
                f"SELECT k.key, {literal(i.column + '=')} || {RULES[i.rule].sql(f'k.{value}')} AS carries, "
                f"{stronger} AS strongest FROM keyed AS k WHERE {f'k.{value} IS NOT NULL' if by_identifier else 'FALSE'}"
            )
        return trusted("audiences/keyed_identifiers", " UNION ALL ".join(parts))

    def sent(self, relation: str) -> Statement:
        """A relation with canonical values, plus the values as sent."""
        return trusted(f"audiences/{relation}_sent", f"SELECT k.*, {self.as_sent('k')} FROM {quote(relation)} AS k")

    def json(self, alias: str) -> str:
        """SQL: the identifiers that are known, as a JSON object in the order of the fields."""
        parts = ", ".join(
            f"CASE WHEN {alias}.{quote(f)} IS NOT NULL THEN {literal(chr(34) + f + chr(34) + ':')} || CAST(to_json({alias}.{quote(f)}) AS VARCHAR) END"
            for f in self.fields
        )
        return f"'{{' || concat_ws(',', {parts}) || '}}'"

    def strongest(self, alias: str) -> str:
        """SQL: `field=value` of the strongest identifier of a row."""
        cases = " ".join(
            f"WHEN {alias}.{quote(f)} IS NOT NULL THEN {literal(f + '=')} || {alias}.{quote(f)}" for f in self.fields
        )
        return f"CASE {cases} END"

    def long(self, relation: str, *kept: str) -> Statement:
        """One row per row of a relation and identifier it carries: the kept columns, `place` of the field, `carries`."""
        columns = "".join(f"{quote(column)}, " for column in kept)
        return trusted(
            f"audiences/{relation}_long",
            " UNION ALL ".join(
                f"SELECT {columns}{place} AS place, {literal(f + '=')} || {quote(f)} AS carries "
                f"FROM {quote(relation)} WHERE {quote(f)} IS NOT NULL"
                for place, f in enumerate(self.fields)
            ),
        )

    def record_keys(self) -> Statement:
        """One row per key: the key of the tool's record it is part of. The strongest, then present, then smallest tuple speaks."""
        return trusted(
            "audiences/record_keys",
            f"""SELECT key, record FROM (
                SELECT s.key, l.key AS record, row_number() OVER (
                    PARTITION BY s.key ORDER BY l.strength, CASE WHEN h.key IS NULL THEN 1 ELSE 0 END, l.key
                ) AS best
                FROM (SELECT DISTINCT k.key, {self.strongest("k")} AS carries FROM keyed_sent AS k) AS s
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
        return trusted(f"audiences/{relation}_wide", f"SELECT r.*, {columns} FROM {quote(relation)} AS r")

    def blocked(self) -> Statement:
        """One row per blocked identifier and form this destination may have been sent it in: by its rule of today or another."""
        parts = " UNION ALL ".join(
            f"SELECT {literal(i.column + '=')} || {RULES[rule].sql('b.identifier')} AS carries, b.reason "
            f"FROM blocked_identifiers AS b WHERE b.identifier_type = {literal(i.kind)}"
            for i in self.capabilities.identifiers
            for rule in sorted({i.rule, *(name for name in RULES if name.startswith(f"{i.kind.partition(':')[0]}/"))})
        )
        return trusted("audiences/blocked_as_sent", parts)

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
        return trusted(
            "audiences/removals",
            f"""SELECT w.key, w.cause, w.kind, w.owners, w.payload_hash, {in_place} AS in_place, {surplus} AS surplus,
                {remove_first} AS remove_first,
                CASE WHEN v.vendor_id IS NOT NULL OR w.cause = 'rekeyed' THEN NULL ELSE w.vendor_id END AS vendor_id, {columns}
            FROM leaving_wide AS w
            JOIN (
                SELECT l.key, {all_carried} AS all_carried, bool_or(t.carries IS NOT NULL) AS reachable,
                    {carried}, {lives_on}
                FROM leaving_long AS l
                LEFT JOIN (SELECT DISTINCT carries FROM carriers) AS s ON s.carries = l.carries
                LEFT JOIN (SELECT DISTINCT carries FROM carriers WHERE strongest) AS t ON t.carries = l.carries
                GROUP BY l.key
            ) AS c ON c.key = w.key
            LEFT JOIN staying_vendor_ids AS v ON v.vendor_id = w.vendor_id""",
        )


def _is_id(kind: str) -> bool:
    return kind == EXTERNAL_ID or kind.startswith(USER_ID)


def _path(field: str) -> str:
    return f'$."{field}"'
