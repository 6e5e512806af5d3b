-- One row per campaign that messages of a day name.
SELECT
  $source AS source,
  json_extract_string(properties, '$.campaign_id') AS campaign_key,
  max(json_extract_string(properties, '$.campaign_name')) AS name,
  max(json_extract_string(properties, '$.channel')) AS channel,
  max(TRY_CAST(json_extract_string(properties, '$.campaign_starts_on') AS DATE)) AS starts_on,
  max(TRY_CAST(json_extract_string(properties, '$.campaign_ends_on') AS DATE)) AS ends_on,
  max(TRY_CAST(json_extract_string(properties, '$.campaign_cost') AS DECIMAL(18,4))) AS cost,
  day
FROM parsed
WHERE
  reason IS NULL
  AND starts_with(event_type, 'message_')
  AND json_extract_string(properties, '$.campaign_id') <> ''
  AND json_extract_string(properties, '$.campaign_name') <> ''
GROUP BY campaign_key, day
