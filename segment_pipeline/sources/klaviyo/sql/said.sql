-- One row per statement a profile's version carries: its e-mail and SMS consents with their own times, and each unsubscribe or
-- complaint among its suppressions, which makes its yes none. Every other state (NEVER_SUBSCRIBED) is neither a yes nor a no.
WITH mail AS (
  SELECT email, mail, mail_said_at, updated_at, day,
    list_filter(coalesce(mail.suppression, []), LAMBDA s: s.reason IN ('UNSUBSCRIBE', 'SPAM_COMPLAINT')) AS refusals
  FROM usable
  WHERE mail.consent IS NOT NULL
)
SELECT 'email' AS identifier_type, email AS identifier, 'email' AS channel, 'marketing' AS purpose,
  CASE mail.consent WHEN 'SUBSCRIBED' THEN 'granted' WHEN 'UNSUBSCRIBED' THEN 'denied' ELSE 'unsaid' END AS status,
  mail_said_at AS said_at, updated_at AS arrived_at,
  'klaviyo email marketing consent' || coalesce(' by ' || nullif(mail.method, ''), '') AS evidence, day
FROM mail
WHERE mail.consent <> 'SUBSCRIBED' OR len(refusals) = 0
UNION ALL
SELECT 'email', email, 'email', 'marketing', 'denied', TRY_CAST(s.timestamp AS TIMESTAMPTZ), updated_at,
  'klaviyo email suppression: ' || lower(s.reason), day
FROM (SELECT email, updated_at, day, unnest(refusals) AS s FROM mail)
UNION ALL
SELECT 'phone', phone, 'sms', 'marketing',
  CASE sms.consent WHEN 'SUBSCRIBED' THEN 'granted' WHEN 'UNSUBSCRIBED' THEN 'denied' ELSE 'unsaid' END,
  sms_said_at, updated_at, 'klaviyo SMS marketing consent' || coalesce(' by ' || nullif(sms.method, ''), ''), day
FROM usable
WHERE sms.consent IS NOT NULL
