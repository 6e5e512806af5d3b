-- One row per delivery of an event a person or device made; messages, answers and consents have tables of their own.
SELECT
  $source AS source,
  v.key AS event_key,
  v.event_type AS name,
  v.occurred_at,
  v.occurred_on,
  CAST(NULL AS TIMESTAMP) AS local_at,
  v.received_at,
  v.anonymous_id,
  v.customer_key,
  e.email,
  v.session_key,
  json_extract_string(v.properties, '$.product_id') AS product_key,
  json_extract_string(v.properties, '$.category') AS category,
  json_extract_string(v.properties, '$.collection') AS collection,
  v.lat,
  v.lon,
  coalesce(c.value, CASE WHEN length(v.country_name) = 2 THEN upper(v.country_name) END) AS country,
  json_extract_string(v.properties, '$.utm_source') AS utm_source,
  json_extract_string(v.properties, '$.utm_medium') AS utm_medium,
  json_extract_string(v.properties, '$.utm_campaign') AS utm_campaign,
  coalesce(v.properties, '{}') AS properties,
  v.day
FROM parsed AS v
LEFT JOIN emails AS e ON e.raw = v.email_raw
LEFT JOIN countries AS c ON c.key = lower(v.country_name)
WHERE v.reason IS NULL AND NOT starts_with(v.event_type, 'message_') AND v.event_type NOT IN ('survey_answered', 'consent_updated')
