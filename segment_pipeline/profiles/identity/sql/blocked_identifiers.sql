-- One row per value that links nobody by a list or a pattern, with the first reason by name; `mailable`: none of its reasons keeps it
-- from being sent to; `value_no` NULL: a device. All patterns
-- of a type are one literal first, compiled once; which of them it was is asked of the few that match.
SELECT
    v.value_no, v.identifier_type, v.identifier,
    coalesce(min(CASE WHEN NOT p.mailable THEN p.reason END), min(p.reason)) AS reason,
    bool_and(p.mailable) AS mailable
FROM (
    SELECT value_no, identifier_type, identifier
    FROM numbered_values
    WHERE (identifier_type = 'email' AND regexp_matches(identifier, $email_patterns))
        OR (identifier_type = 'phone' AND regexp_matches(identifier, $phone_patterns))
        OR (identifier_type = 'loyalty_id' AND regexp_matches(identifier, $loyalty_id_patterns))
    UNION
    SELECT n.value_no, n.identifier_type, n.identifier
    FROM numbered_values AS n
    JOIN blocked AS l ON l.identifier_type = n.identifier_type AND l.identifier = n.identifier
    UNION
    SELECT NULL AS value_no, 'anonymous_id' AS identifier_type, record_key AS identifier
    FROM records
    WHERE class = 'device' AND regexp_matches(record_key, $anonymous_id_patterns)
    UNION
    SELECT NULL AS value_no, 'anonymous_id' AS identifier_type, anonymous_id AS identifier
    FROM numbered_touches
    WHERE anonymous_id IS NOT NULL AND regexp_matches(anonymous_id, $anonymous_id_patterns)
    UNION
    SELECT NULL AS value_no, identifier_type, identifier
    FROM blocked
    WHERE identifier_type = 'anonymous_id' AND identifier IS NOT NULL
) AS v
LEFT JOIN allowed AS a ON a.identifier_type = v.identifier_type AND a.identifier = v.identifier
JOIN blocked AS p
    ON p.identifier_type = v.identifier_type
    AND (p.identifier = v.identifier OR regexp_matches(v.identifier, p.pattern))
WHERE a.identifier IS NULL OR p.identifier IS NOT NULL
GROUP BY v.value_no, v.identifier_type, v.identifier
