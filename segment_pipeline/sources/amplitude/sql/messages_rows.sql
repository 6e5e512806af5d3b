-- One row per delivery of something that happened to a message (`message_opened`, …).
SELECT
  $source AS source,
  v.key AS message_key,
  json_extract_string(v.properties, '$.campaign_id') AS campaign_key,
  json_extract_string(v.properties, '$.channel') AS channel,
  substr(v.event_type, length('message_') + 1) AS type,
  v.occurred_at,
  v.occurred_on,
  v.received_at,
  v.customer_key,
  CAST(NULL AS VARCHAR) AS anonymous_id,
  e.email,
  CAST(NULL AS VARCHAR) AS phone,
  v.day
FROM parsed AS v
LEFT JOIN emails AS e ON e.raw = v.email_raw
WHERE v.reason IS NULL AND starts_with(v.event_type, 'message_')
