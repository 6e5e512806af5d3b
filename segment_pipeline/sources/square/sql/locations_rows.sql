-- One row per store of the snapshot.
SELECT
  $source AS source,
  key AS store_key,
  updated_at,
  max(r.name) AS name,
  max(r.coordinates.latitude) AS lat,
  max(r.coordinates.longitude) AS lon,
  max(r.timezone) AS timezone,
  max(r.country) AS country,
  max(r.currency) AS currency,
  CAST(NULL AS DATE) AS deleted_on,
  day
FROM parsed
WHERE reason IS NULL
GROUP BY key, updated_at, day
