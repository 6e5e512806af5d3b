-- One row per destination key a place holds as the tool tells it: as we remember it where we recognise it, else as it is told.
-- What it refused stays refused. Of a member that is only told nobody knows what attributes it has, so they are sent again.
SELECT
    r.key,
    r.identifiers,
    r.owners,
    coalesce(t.vendor_id, r.vendor_id) AS vendor_id,
    r.payload_hash,
    'confirmed' AS state,
    CAST(NULL AS VARCHAR) AS refused,
    r.since,
    r.refreshed_at,
    r.digest
FROM recognised AS c
JOIN remembered AS r ON r.key = c.key
JOIN tool_keyed AS t ON t.key = c.told
UNION ALL
SELECT
    t.key,
    t.identifiers,
    CAST([] AS VARCHAR[]) AS owners,
    t.vendor_id,
    '' AS payload_hash,
    'confirmed' AS state,
    CAST(NULL AS VARCHAR) AS refused,
    CAST($now AS TIMESTAMPTZ) AS since,
    CAST($now AS TIMESTAMPTZ) AS refreshed_at,
    'told' AS digest
FROM tool_keyed AS t
JOIN own AS o ON o.key = t.key
LEFT JOIN (SELECT DISTINCT told FROM recognised) AS c ON c.told = t.key
WHERE c.told IS NULL
UNION ALL
SELECT
    r.key, r.identifiers, r.owners, r.vendor_id, r.payload_hash, r.state, r.refused, r.since, r.refreshed_at, r.digest
FROM remembered AS r
LEFT JOIN recognised AS c ON c.key = r.key
WHERE r.state = 'rejected' AND c.key IS NULL
