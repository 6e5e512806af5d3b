-- One row per value proposed or decided: decisions as they are, and what is found now with the day it was first found.
SELECT identifier_type, identifier, reason, records, people, first_seen, state, decided_at
FROM identifier_proposals
WHERE state <> 'proposed'
UNION ALL
SELECT
    f.identifier_type, f.identifier, f.reason, f.records, f.people, coalesce(b.first_seen, CAST($as_of AS DATE)) AS first_seen,
    'proposed' AS state, CAST(NULL AS TIMESTAMPTZ) AS decided_at
FROM proposals_found AS f
LEFT JOIN identifier_proposals AS b ON b.identifier_type = f.identifier_type AND b.identifier = f.identifier
WHERE coalesce(b.state, 'proposed') = 'proposed'
