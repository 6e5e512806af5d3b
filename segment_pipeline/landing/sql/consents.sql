-- One row per statement about consent. What is not a plain yes is a no; an identifier that cannot be used gives no row: nobody
-- can be reached by it.
SELECT DISTINCT
  identifier_type,
  identifier,
  channel,
  purpose,
  recorded_at,
  CASE WHEN granted THEN 'granted' ELSE 'denied' END AS status,
  evidence,
  day
FROM said
WHERE identifier IS NOT NULL
