-- One row per record that belongs to a person, with the person's number within the session; ids only where somebody reads them.
SELECT
    i.source, i.entity, i.record_key, i.key_no, CASE WHEN $named THEN p.profile_id END AS profile_id, CAST(p.person_no AS INTEGER) AS person_no
FROM identities_as_of AS i
JOIN people AS p ON p.profile_id = i.profile_id
