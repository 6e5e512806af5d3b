-- One row per identifier of a person that may be sent to, consent apart. One that more people share than the limit is nobody's in
-- particular: only a yes on itself covers it.
SELECT profile_id, identifier_type, identifier, last_seen_at
FROM known_identifiers
WHERE standing = 'current'
UNION ALL
SELECT k.profile_id, k.identifier_type, k.identifier, k.last_seen_at
FROM known_identifiers AS k
JOIN consent_now AS c ON c.identifier_type = k.identifier_type AND c.identifier = k.identifier AND c.status = 'granted'
WHERE k.standing = 'shared'
