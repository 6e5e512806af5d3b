-- One row per destination key the audience holds, may hold or refused after a plan.
-- A refused removal or update leaves what was held; a key attempted without an answer may be there or not, whatever was held.
SELECT
    coalesce(h.key, r.key) AS key,
    CASE WHEN r.operation = 'upsert' THEN r.identifiers ELSE h.identifiers END AS identifiers,
    CASE WHEN r.operation = 'upsert' THEN r.owners ELSE h.owners END AS owners,
    coalesce(v.vendor_id, h.vendor_id, r.vendor_id) AS vendor_id,
    CASE
        WHEN r.operation = 'upsert' AND (r.result = 'done' OR h.key IS NULL) THEN r.payload_hash
        ELSE h.payload_hash
    END AS payload_hash,
    CASE
        WHEN r.result = 'done' THEN 'confirmed'
        WHEN r.result = 'uncertain' THEN 'uncertain'
        ELSE coalesce(h.state, 'rejected')
    END AS state,
    CASE
        WHEN r.result <> 'rejected' THEN CAST(NULL AS VARCHAR)
        WHEN r.operation = 'remove' THEN 'remove:' || coalesce(r.reason, '')
        WHEN list_contains($passing, r.reason) THEN 'passing:' || r.payload_hash
        ELSE r.payload_hash
    END AS refused,
    CASE WHEN h.state IN ('confirmed', 'uncertain') THEN h.since ELSE CAST($now AS TIMESTAMPTZ) END AS since,
    CAST($now AS TIMESTAMPTZ) AS refreshed_at,
    CAST($digest AS VARCHAR) AS digest
FROM (SELECT * FROM results WHERE result IN ('done', 'rejected', 'uncertain')) AS r
LEFT JOIN members_before AS h ON h.key = r.key
LEFT JOIN told_vendor_ids AS v ON v.key = r.key
WHERE NOT (r.operation = 'remove' AND (r.result = 'done' OR h.key IS NULL))
UNION ALL
SELECT
    h.key, h.identifiers, h.owners, h.vendor_id, h.payload_hash, h.state, h.refused, h.since, h.refreshed_at, h.digest
FROM members_before AS h
LEFT JOIN (SELECT key FROM results WHERE result IN ('done', 'rejected', 'uncertain')) AS r ON r.key = h.key
WHERE r.key IS NULL
