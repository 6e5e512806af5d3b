-- One row per held key to take out, why, and in which plan. A removal the tool refused lately is not tried again yet.
SELECT
    h.key,
    h.identifiers,
    h.vendor_id,
    h.owners,
    h.payload_hash,
    CASE WHEN d.key IS NULL THEN 'main' ELSE 'denials' END AS kind,
    CASE
        WHEN d.reason = 1 THEN 'erased'
        WHEN d.reason = 2 THEN 'suppressed'
        WHEN d.reason = 3 THEN 'denied'
        WHEN r.key IS NOT NULL THEN 'rekeyed'
        ELSE 'left'
    END AS cause
FROM leaving_held AS h
LEFT JOIN denied_keys AS d ON d.key = h.key
LEFT JOIN rekeyed AS r ON r.key = h.key
WHERE NOT h.stuck AND ($known OR d.key IS NOT NULL)
