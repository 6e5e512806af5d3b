-- One row per delivery of an event a person or device made; messages, answers and consents have tables of their own.
SELECT
  v.*,
  v.key AS event_key,
  v.event AS name,
  v.business_at AS occurred_at,
  v.business_on AS occurred_on,
  v.updated_at AS received_at,
  CASE WHEN v.r.session_id >= 0 THEN CAST(v.r.session_id AS VARCHAR) END AS session_key,
  json_extract_string(v.r.event_properties, '$.product_id') AS product_key,
  json_extract_string(v.r.event_properties, '$.category') AS category,
  json_extract_string(v.r.event_properties, '$.collection') AS collection,
  v.r.location_lat AS lat,
  v.r.location_lng AS lon,
  coalesce(c.value, CASE WHEN length(v.r.country) = 2 THEN upper(v.r.country) END) AS country,
  json_extract_string(v.r.event_properties, '$.utm_source') AS utm_source,
  json_extract_string(v.r.event_properties, '$.utm_medium') AS utm_medium,
  json_extract_string(v.r.event_properties, '$.utm_campaign') AS utm_campaign,
  CASE v.event
    WHEN 'social_engaged' THEN json_extract_string(v.r.event_properties, '$.network')
    WHEN 'content_viewed' THEN json_extract_string(v.r.event_properties, '$.topic')
  END AS subject,
  CASE v.event
    WHEN 'search' THEN json_extract_string(v.r.event_properties, '$.query')
    WHEN 'social_engaged' THEN json_extract_string(v.r.event_properties, '$.action')
    WHEN 'visit' THEN json_extract_string(v.r.event_properties, '$.landing_page')
  END AS text,
  coalesce(v.r.event_properties, '{}') AS properties
FROM usable AS v
LEFT JOIN countries AS c ON c.key = lower(v.r.country)
WHERE NOT starts_with(v.event, 'message_') AND v.event NOT IN ('survey_answered', 'consent_updated')
