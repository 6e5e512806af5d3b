-- One row per campaign that messages of a day name.
SELECT
  json_extract_string(r.event_properties, '$.campaign_id') AS campaign_key,
  max(json_extract_string(r.event_properties, '$.campaign_name')) AS name,
  max(json_extract_string(r.event_properties, '$.channel')) AS channel,
  max(TRY_CAST(json_extract_string(r.event_properties, '$.campaign_starts_on') AS DATE)) AS starts_on,
  max(TRY_CAST(json_extract_string(r.event_properties, '$.campaign_ends_on') AS DATE)) AS ends_on,
  max(TRY_CAST(json_extract_string(r.event_properties, '$.campaign_cost') AS DECIMAL(18,4))) AS cost,
  day
FROM usable
WHERE
  starts_with(event, 'message_')
  AND json_extract_string(r.event_properties, '$.campaign_id') <> ''
  AND json_extract_string(r.event_properties, '$.campaign_name') <> ''
GROUP BY campaign_key, day
