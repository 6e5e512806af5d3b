-- One row per identifier as in `known_contacts`, and per id that customers of the asked sources have there, under a kind of its own.
SELECT profile_id, identifier_type, identifier, last_seen_at, standing
FROM known_contacts
UNION ALL
SELECT
    k.profile_id, concat_ws(':', 'user_id', u.source) AS identifier_type,
    substr(k.identifier, length(u.source) + 2) AS identifier, k.last_seen_at, k.standing
FROM known_contacts AS k
JOIN users_of AS u ON starts_with(k.identifier, concat_ws(':', u.source, ''))
WHERE k.identifier_type = 'customer_key'
