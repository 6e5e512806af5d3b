-- One row per statement about consent. What is not a plain yes is a no. An identifier that cannot be used gives no row: nobody
-- can be reached by it. A yes without a time of its own is the oldest statement there is, a no without one is as new as its
-- arrival: a time that stands in for another never lets anybody be written to.
SELECT DISTINCT
  identifier_type,
  identifier,
  coalesce(nullif(lower(trim(channel)), ''), '*') AS channel,
  lower(trim(purpose)) AS purpose,
  CASE WHEN said_at IS NOT NULL THEN said_at WHEN granted THEN TIMESTAMPTZ '1970-01-01 00:00:00+00' ELSE arrived_at END AS recorded_at,
  CASE WHEN granted THEN 'granted' ELSE 'denied' END AS status,
  evidence,
  arrived_at,
  day
FROM said
WHERE identifier IS NOT NULL
