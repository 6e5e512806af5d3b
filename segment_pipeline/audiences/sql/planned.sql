-- One row per change to send. Denials are a plan of their own; a key whose record lives on under another key is not sent.
SELECT
    c.kind,
    'upsert' AS operation,
    c.cause,
    c.key,
    s.identifiers,
    c.vendor_id,
    d.attributes,
    d.payload_hash,
    coalesce(o.owners, [d.owner]) AS owners,
    FALSE AS in_place,
    FALSE AS remove_first
FROM (
    SELECT
        'main' AS kind,
        CASE WHEN c.change = 'added' AND r.key IS NOT NULL THEN 'rekeyed' ELSE c.change END AS cause,
        c.key, c.vendor_id
    FROM compared AS c
    LEFT JOIN rekeyed AS r ON r.key = c.key
    WHERE c.change IN ('added', 'resent', 'updated', 'refreshed')
    UNION ALL
    SELECT t.kind, 'resent' AS cause, c.key, c.vendor_id
    FROM compared AS c
    JOIN taken_along AS t ON t.key = c.key
    WHERE c.change = 'unchanged'
) AS c
JOIN desired AS d ON d.key = c.key
JOIN keyed_json AS s ON s.profile_id = d.speaker
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
