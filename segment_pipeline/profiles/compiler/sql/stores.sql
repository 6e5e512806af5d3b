-- One row per store of known place that is there as of the day.
SELECT store_key, lat, lon
FROM stores_as_of
WHERE lat IS NOT NULL AND lon IS NOT NULL AND (deleted_on IS NULL OR deleted_on > $as_of)
