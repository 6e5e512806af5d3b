-- One row per value that is listed or matches a pattern, with the first reason by name. All patterns of a type are one literal
-- first, compiled once; which of them it was is asked of the few that match.
SELECT v.identifier_type, v.identifier, min(p.reason) AS reason
FROM (
    SELECT DISTINCT identifier_type, identifier
    FROM identifiers
    WHERE (identifier_type = 'email' AND regexp_matches(identifier, $email_patterns))
        OR (identifier_type = 'phone' AND regexp_matches(identifier, $phone_patterns))
    UNION
    SELECT 'anonymous_id' AS identifier_type, record_key AS identifier
    FROM records
    WHERE class = 'device' AND regexp_matches(record_key, $anonymous_id_patterns)
    UNION
    SELECT 'anonymous_id' AS identifier_type, anonymous_id AS identifier
    FROM touches
    WHERE anonymous_id IS NOT NULL AND regexp_matches(anonymous_id, $anonymous_id_patterns)
    UNION
    SELECT identifier_type, identifier FROM blocked WHERE identifier IS NOT NULL
) AS v
JOIN blocked AS p
    ON p.identifier_type = v.identifier_type
    AND (p.identifier = v.identifier OR regexp_matches(v.identifier, p.pattern))
GROUP BY v.identifier_type, v.identifier
