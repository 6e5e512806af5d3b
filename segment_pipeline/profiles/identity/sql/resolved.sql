-- One row per record that belongs to a person.
SELECT p.record_no, p.person_no, r.source, r.entity, r.record_key, r.key_no, k.profile_id
FROM person_records AS p
JOIN records AS r ON r.record_no = p.record_no
JOIN known_people AS k ON k.person_no = p.person_no
