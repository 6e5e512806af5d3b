-- One row per (record, value) of the people that merged or split, with whose the record was (`new`: nobody's) and is.
SELECT r.record_no, n.profile_id AS now_is, coalesce(m.was, 'new') AS was, v.identifier_type, i.strength, v.refusal,
    sha256(concat_ws(':', w.identifier_type, w.identifier)) AS evidence
FROM identities_now AS n
JOIN concerned AS x ON x.profile_id = n.profile_id
JOIN records AS r ON r.source = n.source AND r.entity = n.entity AND r.record_key = n.record_key
JOIN identifiers AS i ON i.record_no = r.record_no
JOIN identifier_values AS v ON v.value_no = i.value_no
JOIN numbered_values AS w ON w.value_no = i.value_no
LEFT JOIN moves AS m ON m.source = n.source AND m.entity = n.entity AND m.record_key = n.record_key
