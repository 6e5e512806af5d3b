-- One row per store of known place that is there as of the day: as it was then, else as it is first held.
SELECT store_key, lat, lon
FROM (
    SELECT
        store_key, lat, lon, deleted_on,
        row_number() OVER (
            PARTITION BY source, store_key
            ORDER BY CASE WHEN day <= $as_of THEN 0 ELSE 1 END, CASE WHEN day <= $as_of THEN day END DESC NULLS LAST, day
        ) AS version
    FROM stores
) AS snapshots
WHERE version = 1 AND lat IS NOT NULL AND lon IS NOT NULL AND (deleted_on IS NULL OR deleted_on > $as_of)
