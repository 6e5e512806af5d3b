-- One row per identifier a person is known by. `usable`: it may be sent to and may link; identifiers of accounts that are
-- gone, and addresses an account carried in an older version, stay with the person.
SELECT p.profile_id, i.identifier_type, i.identifier, max(i.seen_at) AS last_seen_at, bool_and(v.refusal IS NULL) AS usable
FROM identifiers AS i
JOIN records AS r ON r.record_no = i.record_no
JOIN persons AS p ON p.source = r.source AND p.entity = r.entity AND p.record_key = r.record_key
JOIN identifier_values AS v ON v.identifier_type = i.identifier_type AND v.identifier = i.identifier
GROUP BY p.profile_id, i.identifier_type, i.identifier
