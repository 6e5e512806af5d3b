-- One row per value proposed or decided, with one decision more.
SELECT b.identifier_type, b.identifier, b.reason, b.records, b.people, b.first_seen, b.state, b.decided_at
FROM identifier_proposals AS b
LEFT JOIN decided AS d ON d.identifier_type = b.identifier_type AND d.identifier = b.identifier
WHERE d.identifier IS NULL
UNION ALL
SELECT
    d.identifier_type, d.identifier, coalesce(b.reason, 'named') AS reason, b.records, b.people, b.first_seen,
    CAST($state AS VARCHAR) AS state, CAST($now AS TIMESTAMPTZ) AS decided_at
FROM decided AS d
LEFT JOIN identifier_proposals AS b ON b.identifier_type = d.identifier_type AND b.identifier = d.identifier
