-- One row per e-mail address and reason for which Klaviyo sends it nothing, other than that its owner unsubscribed: who has may
-- subscribe again, by a later yes.
SELECT 'email' AS identifier_type, email AS identifier, 'email' AS channel, reason,
  min(coalesce(least(suppressed_at, updated_at), updated_at)) AS recorded_at, day
FROM (
  SELECT email, updated_at, day, TRY_CAST(s.timestamp AS TIMESTAMPTZ) AS suppressed_at,
    CASE s.reason WHEN 'SPAM_COMPLAINT' THEN 'complained' WHEN 'HARD_BOUNCE' THEN 'bounced' WHEN 'INVALID_EMAIL' THEN 'invalid'
      WHEN 'USER_SUPPRESSED' THEN 'suppressed' ELSE lower(s.reason) END AS reason
  FROM (SELECT email, updated_at, day, unnest(mail.suppression) AS s FROM usable)
)
WHERE email IS NOT NULL AND reason <> 'unsubscribe'
GROUP BY ALL
