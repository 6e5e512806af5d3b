-- One row per delivery of an answer.
SELECT
  v.*,
  v.key AS answer_key,
  json_extract_string(v.r.event_properties, '$.survey_id') AS survey_key,
  json_extract_string(v.r.event_properties, '$.question_id') AS question_key,
  json_extract_string(v.r.event_properties, '$.answer') AS answer,
  TRY_CAST(json_extract_string(v.r.event_properties, '$.score') AS DOUBLE) AS score,
  v.business_at AS answered_at,
  v.business_on AS answered_on
FROM usable AS v
WHERE v.event = 'survey_answered'
