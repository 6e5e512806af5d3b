-- One row per change to send. Denials are a plan of their own; a key whose record lives on under another key is not sent.
SELECT
    c.kind,
    'upsert' AS operation,
    c.cause,
    c.key,
    s.identifiers,
    c.vendor_id,
    t.attributes,
    d.payload_hash,
    coalesce(o.owners, [d.owner]) AS owners,
    FALSE AS in_place,
    FALSE AS remove_first
FROM upserts AS c
JOIN desired AS d ON d.key = c.key
JOIN keyed_json AS s ON s.profile_id = d.speaker AND s.key = d.key
LEFT JOIN told_upserts AS t ON t.key = c.key
LEFT JOIN desired_owners AS o ON o.key = c.key
UNION ALL
SELECT
    CASE WHEN r.in_place THEN 'main' ELSE r.kind END AS kind,
    'remove' AS operation,
    r.cause,
    r.key,
    r.identifiers,
    r.vendor_id,
    CAST(NULL AS VARCHAR) AS attributes,
    r.payload_hash,
    r.owners,
    r.in_place,
    r.remove_first
FROM removal_rows AS r
