-- One row per delivery of a statement about consent, by the identifier it names.
SELECT
  json_extract_string(r.event_properties, '$.identifier_type') AS identifier_type,
  CASE WHEN json_extract_string(r.event_properties, '$.identifier_type') = 'email' THEN email ELSE phone END AS identifier,
  json_extract_string(r.event_properties, '$.channel') AS channel,
  coalesce(json_extract_string(r.event_properties, '$.purpose'), 'marketing') AS purpose,
  json_extract_string(r.event_properties, '$.status') = 'granted' AS granted,
  business_at AS recorded_at,
  coalesce(json_extract_string(r.event_properties, '$.evidence'), 'amplitude consent_updated') AS evidence,
  day
FROM usable
WHERE event = 'consent_updated'
