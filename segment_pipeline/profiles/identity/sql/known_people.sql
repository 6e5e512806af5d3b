-- One row per person: the profile_id is the digest of their anchor.
SELECT
    r.record_no AS person_no, substr(sha256(concat_ws('|', r.source, r.entity, r.record_key)), 1, 32) AS profile_id, r.created_at
FROM person_records AS p
JOIN records AS r ON r.record_no = p.record_no
WHERE p.record_no = p.person_no
