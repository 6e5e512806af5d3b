-- One row per store: where it is, which its orders do not say.
SELECT json_extract_string(record, '$.id') AS store_key, max(json_extract_string(record, '$.timezone')) AS timezone,
  max(json_extract_string(record, '$.country')) AS country
FROM raw_locations
GROUP BY ALL
