-- One row per (record, value) of a contradictory component; `value_strength`: of the strongest evidence for that link.
SELECT
    c.component, i.record_no, i.strength, i.identifier_type,
    sha256(concat_ws(':', i.identifier_type, i.identifier)) AS evidence
FROM identifiers AS i
JOIN identifier_values AS v ON v.identifier_type = i.identifier_type AND v.identifier = i.identifier
JOIN components AS c ON c.record_no = i.record_no
JOIN contradictory AS x ON x.component = c.component
WHERE v.refusal IS NULL AND v.records > 1
