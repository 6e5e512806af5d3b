-- One row per person: their id and the number of their anchor.
SELECT r.record_no AS person_no, p.profile_id
FROM persons AS p
JOIN records AS r ON r.source = p.source AND r.entity = p.entity AND r.record_key = p.record_key
JOIN person_records AS n ON n.record_no = r.record_no AND n.person_no = r.record_no
