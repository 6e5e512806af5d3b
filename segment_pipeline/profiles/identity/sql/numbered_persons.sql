-- One row per record that belongs to a person: `person_no` is the number of the oldest of their records, the anchor.
SELECT record_no, person_no
FROM (
    SELECT r.record_no, min(r.record_no) OVER (PARTITION BY p.profile_id) AS person_no
    FROM persons AS p
    JOIN records AS r ON r.source = p.source AND r.entity = p.entity AND r.record_key = p.record_key
) AS numbered
