-- One row per statement about consent. What is not a plain yes is a no, save `unsaid`, by which a source that can say yes says neither
-- any more, and which has no time but its arrival. An identifier that cannot be used gives no row: nobody
-- can be reached by it. A yes without a time of its own is the oldest statement there is, a no without one is as new as its
-- arrival: a time that stands in for another never lets anybody be written to.
SELECT DISTINCT
  identifier_type,
  identifier,
  coalesce(nullif(lower(trim(channel)), ''), '*') AS channel,
  lower(trim(purpose)) AS purpose,
  CASE WHEN said_at IS NOT NULL AND coalesce(status, '') <> 'unsaid' THEN said_at WHEN status = 'granted' THEN TIMESTAMPTZ '1970-01-01 00:00:00+00' ELSE arrived_at END AS recorded_at,
  CASE WHEN status IN ('granted', 'unsaid') THEN status ELSE 'denied' END AS status,
  evidence,
  arrived_at,
  day
FROM said
WHERE identifier IS NOT NULL
