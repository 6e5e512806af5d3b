-- One row per delivery of an answer.
SELECT
  $source AS source,
  v.key AS answer_key,
  json_extract_string(v.properties, '$.survey_id') AS survey_key,
  json_extract_string(v.properties, '$.question_id') AS question_key,
  json_extract_string(v.properties, '$.answer') AS answer,
  TRY_CAST(json_extract_string(v.properties, '$.score') AS DOUBLE) AS score,
  v.occurred_at AS answered_at,
  v.occurred_on AS answered_on,
  e.email,
  v.customer_key,
  v.anonymous_id,
  v.day
FROM parsed AS v
LEFT JOIN emails AS e ON e.raw = v.email_raw
WHERE v.reason IS NULL AND v.event_type = 'survey_answered'
