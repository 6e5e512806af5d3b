-- One row per destination key to send and plan it is sent in, with why; a key that removals of both plans take along is in both.
SELECT
    'main' AS kind,
    CASE WHEN c.change = 'added' AND r.key IS NOT NULL THEN 'rekeyed' ELSE c.change END AS cause,
    c.key,
    c.vendor_id
FROM compared AS c
LEFT JOIN rekeyed AS r ON r.key = c.key
WHERE c.change IN ('added', 'resent', 'updated', 'refreshed')
UNION ALL
SELECT t.kind, 'resent' AS cause, c.key, c.vendor_id
FROM compared AS c
JOIN taken_along AS t ON t.key = c.key
WHERE c.change = 'unchanged'
