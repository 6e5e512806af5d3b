-- One row per identifier of the person.
SELECT i.identifier_type, i.identifier, i.last_seen_at, i.usable
FROM profile_identifiers AS i INNER JOIN person USING (profile_id)
ORDER BY i.identifier_type, i.identifier
