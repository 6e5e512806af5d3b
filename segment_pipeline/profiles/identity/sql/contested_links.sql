-- One row per (record, value) of a contradictory component: values that records share, and e-mails shared or not; `strength`: of
-- the strongest evidence for that link.
SELECT
    c.component, i.record_no, i.strength, i.seen_at, v.identifier_type,
    sha256(concat_ws(':', n.identifier_type, n.identifier)) AS evidence
FROM components AS c
JOIN contradictory AS x ON x.component = c.component
JOIN identifiers AS i ON i.record_no = c.record_no
JOIN identifier_values AS v ON v.value_no = i.value_no
JOIN numbered_values AS n ON n.value_no = i.value_no
WHERE v.refusal IS NULL AND (v.records > 1 OR v.identifier_type = 'email')
