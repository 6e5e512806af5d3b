-- One row per delivery of a statement about consent, by the identifier it names, or by the user where it names none; a no is said
-- of the user as well. A time after the upload is a device's clock that is ahead: what was uploaded had been said by then.
WITH told AS (
  SELECT
    email,
    phone,
    customer_key,
    nullif(trim(json_extract_string(r.event_properties, '$.identifier')), '') AS named,
    consent_of AS named_type,
    consent_channel AS channel,
    coalesce(nullif(trim(json_extract_string(r.event_properties, '$.purpose')), ''), 'marketing') AS purpose,
    CASE WHEN lower(trim(json_extract_string(r.event_properties, '$.status'))) = 'granted' THEN 'granted' ELSE 'denied' END AS status,
    least(business_at, updated_at) AS said_at,
    updated_at AS arrived_at,
    coalesce(json_extract_string(r.event_properties, '$.evidence'), 'amplitude consent_updated') AS evidence,
    day
  FROM usable
  WHERE event = 'consent_updated'
)
SELECT
  CASE WHEN named IS NULL THEN 'customer_key' ELSE named_type END AS identifier_type,
  CASE WHEN named IS NULL THEN customer_key WHEN named_type = 'email' THEN email WHEN named_type = 'phone' THEN phone WHEN named_type = 'customer_key' THEN named END AS identifier,
  channel, purpose, status, said_at, arrived_at, evidence, day
FROM told
UNION ALL
SELECT 'customer_key', customer_key, channel, purpose, status, said_at, arrived_at, evidence, day
FROM told
WHERE status = 'denied'
