-- One row per note: a store of its own, to have a statement of another package's.
SELECT
  json_extract_string(record, '$.id') AS key,
  CAST($pulled_at AS TIMESTAMPTZ) AS updated_at,
  CAST($snapshot_day AS DATE) AS day,
  json_extract_string(record, '$.name') AS name,
  CASE WHEN json_extract_string(record, '$.name') IS NULL THEN 'no name' END AS reason,
  CASE WHEN json_extract_string(record, '$.name') IS NULL THEN record END AS raw
FROM raw_notes
