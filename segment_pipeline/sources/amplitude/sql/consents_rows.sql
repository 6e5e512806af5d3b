-- One row per statement about consent; a repeated delivery says the same and is the same row. An identifier that cannot be
-- used gives no row: nobody can be reached by it.
SELECT DISTINCT
  $source AS source,
  json_extract_string(v.properties, '$.identifier_type') AS identifier_type,
  coalesce(e.email, p.phone) AS identifier,
  json_extract_string(v.properties, '$.channel') AS channel,
  coalesce(json_extract_string(v.properties, '$.purpose'), 'marketing') AS purpose,
  v.occurred_at AS recorded_at,
  json_extract_string(v.properties, '$.status') AS status,
  coalesce(json_extract_string(v.properties, '$.evidence'), 'amplitude consent_updated') AS evidence,
  v.day
FROM parsed AS v
LEFT JOIN emails AS e ON e.raw = v.email_raw AND json_extract_string(v.properties, '$.identifier_type') = 'email'
LEFT JOIN phones AS p ON p.raw = v.phone_raw AND p.country IS NOT DISTINCT FROM v.phone_country
WHERE v.reason IS NULL AND v.event_type = 'consent_updated' AND coalesce(e.email, p.phone) IS NOT NULL
