-- One row per store of known place as of the day, else of the earliest day held, numbered in the order of its key.
SELECT source, store_key, lat, lon, row_number() OVER (ORDER BY source, store_key) AS store_no
FROM (
    SELECT
        source, store_key, lat, lon,
        row_number() OVER (
            PARTITION BY source, store_key
            ORDER BY CASE WHEN day <= $as_of THEN 0 ELSE 1 END, CASE WHEN day <= $as_of THEN day END DESC NULLS LAST, day
        ) AS version
    FROM stores
) AS snapshots
WHERE version = 1 AND lat IS NOT NULL
