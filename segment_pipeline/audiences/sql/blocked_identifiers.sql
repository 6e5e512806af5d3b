-- One row per identifier that must not be sent in this channel, with the strongest reason (1 erased, 2 suppressed, 3 denied).
-- A person's denial blocks all their identifiers, for whoever else shares them, unless that very identifier was granted later.
SELECT identifier_type, identifier, min(reason) AS reason
FROM (
    SELECT identifier_type, identifier, CASE WHEN reason = 'erased' THEN 1 ELSE 2 END AS reason
    FROM suppressions
    WHERE channel IN ('*', $channel)
    UNION ALL
    SELECT identifier_type, identifier, 3 AS reason
    FROM consent_now
    WHERE status = 'denied'
    UNION ALL
    SELECT k.identifier_type, k.identifier, 3 AS reason
    FROM known_identifiers AS k
    JOIN person_consent AS p ON p.profile_id = k.profile_id AND p.withheld_at IS NOT NULL
    LEFT JOIN consent_now AS c ON c.identifier_type = k.identifier_type AND c.identifier = k.identifier AND c.status = 'granted'
    WHERE c.recorded_at IS NULL OR c.recorded_at <= p.withheld_at
)
GROUP BY identifier_type, identifier
