-- One row per source that has accounts, orders or events: since when it has been speaking.
SELECT source, min(first_at) AS first_at
FROM (
    SELECT source, min(created_at) AS first_at FROM customers GROUP BY source
    UNION ALL
    SELECT source, first_at FROM first_days
) AS found
GROUP BY source
