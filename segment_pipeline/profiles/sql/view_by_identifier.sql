-- One row per person who is known by an identifier.
SELECT DISTINCT i.profile_id
FROM profile_identifiers AS i
WHERE i.identifier_type = $identifier_type AND i.identifier = $identifier
ORDER BY i.profile_id
