-- One row per record that was resolved to the person.
SELECT i.source, i.entity, i.record_key
FROM identities AS i INNER JOIN person USING (profile_id)
ORDER BY i.source, i.entity, i.record_key
