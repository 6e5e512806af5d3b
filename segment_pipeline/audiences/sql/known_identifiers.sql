-- One row per usable identifier of a person; blocked and over-shared ones are not here at all.
SELECT profile_id, identifier_type, identifier, last_seen_at
FROM profile_identifiers
WHERE usable
