-- One row per event received; a repeated delivery is still a row of its own here (the landing write keeps the first).
-- `key` is the insert id, which a repeat shares with its first delivery, or the event's uuid where it has none.
WITH typed AS (
  SELECT record, from_json(record, '{
    "uuid": "VARCHAR", "$insert_id": "VARCHAR", "event_type": "VARCHAR", "event_time": "VARCHAR", "server_upload_time": "VARCHAR",
    "user_id": "VARCHAR", "device_id": "VARCHAR", "session_id": "BIGINT", "event_properties": "JSON",
    "user_properties": {"email": "VARCHAR"}, "country": "VARCHAR", "location_lat": "DOUBLE", "location_lng": "DOUBLE", "platform": "VARCHAR"
  }') AS r
  FROM raw_events
),
named AS (
  SELECT
    record,
    r,
    r.event_type AS event_type,
    r.event_properties AS properties,
    coalesce(nullif(r."$insert_id", ''), nullif(r.uuid, ''), md5(record)) AS key,
    TRY_CAST(r.event_time AS TIMESTAMPTZ) AS occurred_at,
    TRY_CAST(r.server_upload_time AS TIMESTAMPTZ) AS received_at,
    CASE
      WHEN r.event_type = 'consent_updated' AND json_extract_string(r.event_properties, '$.identifier_type') = 'email'
        THEN json_extract_string(r.event_properties, '$.identifier')
      ELSE r.user_properties.email
    END AS email_raw,
    CASE
      WHEN r.event_type = 'consent_updated' AND json_extract_string(r.event_properties, '$.identifier_type') = 'phone'
        THEN json_extract_string(r.event_properties, '$.identifier')
    END AS phone_raw,
    CAST(NULL AS VARCHAR) AS phone_country
  FROM typed
),
judged AS (
  SELECT
    *,
    CASE
      WHEN json_type(record) IS DISTINCT FROM 'OBJECT' THEN 'not an object'
      WHEN nullif(r.uuid, '') IS NULL AND nullif(r."$insert_id", '') IS NULL THEN 'no id'
      WHEN nullif(event_type, '') IS NULL THEN 'no event_type'
      WHEN received_at IS NULL THEN 'server_upload_time is not a time'
      WHEN occurred_at IS NULL THEN 'event_time is not a time'
      WHEN starts_with(event_type, 'message_') AND json_extract_string(properties, '$.channel') IS NULL THEN 'a message without channel'
      WHEN event_type = 'survey_answered' AND (json_extract_string(properties, '$.survey_id') IS NULL OR json_extract_string(properties, '$.question_id') IS NULL)
        THEN 'an answer without survey or question'
      WHEN event_type = 'consent_updated' AND (
        coalesce(json_extract_string(properties, '$.status'), '') NOT IN ('granted', 'denied')
        OR json_extract_string(properties, '$.channel') IS NULL
        OR json_extract_string(properties, '$.identifier') IS NULL
      ) THEN 'a consent without identifier, channel or status'
    END AS reason
  FROM named
)
SELECT
  key,
  event_type,
  occurred_at,
  received_at,
  received_at AS updated_at,
  CAST(timezone($timezone, occurred_at) AS DATE) AS occurred_on,
  CAST(timezone($timezone, received_at) AS DATE) AS day,
  nullif(r.device_id, '') AS anonymous_id,
  nullif(r.user_id, '') AS customer_key,
  CASE WHEN r.session_id >= 0 THEN CAST(r.session_id AS VARCHAR) END AS session_key,
  r.country AS country_name,
  r.location_lat AS lat,
  r.location_lng AS lon,
  r.platform AS platform,
  properties,
  email_raw,
  phone_raw,
  phone_country,
  reason,
  CASE WHEN reason IS NOT NULL THEN record END AS raw
FROM judged
