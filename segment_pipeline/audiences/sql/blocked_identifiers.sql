-- One row per identifier, of a kind the destination takes, that must not be sent in this channel, with the strongest reason (1 erased,
-- 2 suppressed, 3 denied).
-- A person's denial blocks all their identifiers, for whoever else shares them, unless that very identifier was granted later.
SELECT identifier_type, identifier, min(reason) AS reason
FROM (
    SELECT s.identifier_type, s.identifier, CASE WHEN s.reason = 'erased' THEN 1 ELSE 2 END AS reason
    FROM suppressions AS s
    JOIN destination_kinds AS d ON d.kind = s.identifier_type
    WHERE s.channel IN ('*', $channel)
    UNION ALL
    SELECT c.identifier_type, c.identifier, 3 AS reason
    FROM consent_now AS c
    JOIN destination_kinds AS d ON d.kind = c.identifier_type
    WHERE c.status = 'denied'
    UNION ALL
    SELECT k.identifier_type, k.identifier, 3 AS reason
    FROM known_identifiers AS k
    JOIN destination_kinds AS d ON d.kind = k.identifier_type
    JOIN person_consent AS p ON p.profile_id = k.profile_id AND p.withheld_at IS NOT NULL
    LEFT JOIN consent_now AS c ON c.identifier_type = k.identifier_type AND c.identifier = k.identifier
    WHERE coalesce(c.status, '') <> 'denied' AND (c.recorded_at IS NULL OR c.recorded_at <= p.withheld_at)
) AS blocked
GROUP BY identifier_type, identifier
