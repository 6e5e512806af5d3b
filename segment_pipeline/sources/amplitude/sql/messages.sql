-- One row per delivery of something that happened to a message (`message_opened`, …).
SELECT
  v.* EXCLUDE (anonymous_id),
  v.key AS message_key,
  json_extract_string(v.r.event_properties, '$.campaign_id') AS campaign_key,
  json_extract_string(v.r.event_properties, '$.channel') AS channel,
  substr(v.event, length('message_') + 1) AS type,
  v.business_at AS occurred_at,
  v.business_on AS occurred_on,
  v.updated_at AS received_at
FROM usable AS v
WHERE starts_with(v.event, 'message_')
