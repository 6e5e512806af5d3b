-- One row per special person and identifier of a kind the destination takes.
SELECT s.profile_id, s.identifier_type, s.identifier, s.last_seen_at
FROM sendable_identifiers AS s
JOIN special_people AS m ON m.profile_id = s.profile_id
JOIN destination_kinds AS d ON d.kind = s.identifier_type
