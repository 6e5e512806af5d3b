-- One row per person and domain asked for at which they have an e-mail address now.
SELECT DISTINCT i.profile_id, a.domain
FROM person_identifiers AS i
JOIN domains_asked AS a ON a.domain = split_part(i.identifier, '@', 2)
WHERE i.identifier_type = 'email' AND i.standing = 'current'
