-- One row per store: as it was on the day, else as it is first held.
SELECT source, store_key, lat, lon, deleted_on
FROM (
    SELECT
        source, store_key, lat, lon, deleted_on,
        row_number() OVER (
            PARTITION BY source, store_key
            ORDER BY CASE WHEN day <= $as_of THEN 0 ELSE 1 END, CASE WHEN day <= $as_of THEN day END DESC NULLS LAST, day
        ) AS version
    FROM stores
) AS snapshots
WHERE version = 1
