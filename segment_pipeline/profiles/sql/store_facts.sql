-- One row per person who bought in a store of known place in the 365 days to as_of: the store most used, ties to the first key.
SELECT profile_id, lat, lon
FROM (
    SELECT
        m.profile_id, s.lat, s.lon,
        row_number() OVER (PARTITION BY m.profile_id ORDER BY sum(m.orders) DESC, m.source, m.store_key) AS place
    FROM order_money AS m
    JOIN (
        SELECT
            source, store_key, lat, lon,
            row_number() OVER (
                PARTITION BY source, store_key
                ORDER BY CASE WHEN day <= $as_of THEN 0 ELSE 1 END, CASE WHEN day <= $as_of THEN day END DESC NULLS LAST, day
            ) AS version
        FROM stores
    ) AS s ON s.source = m.source AND s.store_key = m.store_key AND s.version = 1
    WHERE m.ordered_on > $days_365 AND m.orders = 1 AND s.lat IS NOT NULL
    GROUP BY m.profile_id, m.source, m.store_key, s.lat, s.lon
) AS used
WHERE place = 1
