-- One row per identifier that says something about a person, with its standing; placeholders, and what people decided to block, are
-- not here at all.
SELECT i.profile_id, i.identifier_type, i.identifier, i.last_seen_at, coalesce(i.standing, 'current') AS standing
FROM profile_identifiers AS i
LEFT JOIN (SELECT identifier_type, identifier FROM identifier_proposals WHERE state = 'blocked') AS p
    ON p.identifier_type = i.identifier_type AND p.identifier = i.identifier
WHERE (i.usable OR i.standing = 'former') AND p.identifier IS NULL
