-- One row per store of the snapshot.
SELECT
  coalesce(nullif(r.id, ''), md5(record)) AS key,
  CAST($pulled_at AS TIMESTAMPTZ) AS updated_at,
  CAST($snapshot_day AS DATE) AS day,
  r,
  CASE
    WHEN nullif(r.id, '') IS NULL THEN 'no id'
    WHEN TRY_CAST(r.created_at AS TIMESTAMPTZ) IS NULL AND r.created_at IS NOT NULL THEN 'created_at is not a time'
  END AS reason,
  CASE WHEN nullif(r.id, '') IS NULL OR (TRY_CAST(r.created_at AS TIMESTAMPTZ) IS NULL AND r.created_at IS NOT NULL) THEN record END AS raw
FROM (
  SELECT record, from_json(record, '{
    "id": "VARCHAR", "name": "VARCHAR", "timezone": "VARCHAR", "country": "VARCHAR", "currency": "VARCHAR",
    "created_at": "VARCHAR", "coordinates": {"latitude": "DOUBLE", "longitude": "DOUBLE"}
  }') AS r
  FROM raw_locations
)
