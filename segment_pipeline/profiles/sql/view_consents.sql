-- One row per statement about consent on an identifier of the person, newest first.
SELECT c.channel, c.purpose, c.status, c.recorded_at, c.source, c.evidence, c.identifier_type
FROM consents AS c
INNER JOIN profile_identifiers AS i
    ON c.identifier_type = i.identifier_type
    AND i.identifier = CASE WHEN c.identifier_type = 'customer_key' THEN c.source || ':' || c.identifier ELSE c.identifier END
INNER JOIN person AS p ON p.profile_id = i.profile_id
ORDER BY c.recorded_at DESC, c.channel, c.purpose, c.source
