-- One row per store of known place, numbered in the order of its key.
SELECT source, store_key, lat, lon, row_number() OVER (ORDER BY source, store_key) AS store_no
FROM stores_as_of
WHERE lat IS NOT NULL
