-- One row per address met in behaviour that is a record of its own, known by its digest.
SELECT m.source, m.email, r.profile_id, r.person_no
FROM addresses_met AS m
JOIN activity_persons AS r ON r.entity = 'email' AND r.source = m.source AND r.record_key = sha256(m.email)
