-- One row per statement an account's version carries: e-mail and SMS states with their own times, and sale opt-outs as denied
-- ads. States that are neither a yes nor a no (NOT_SUBSCRIBED, PENDING) give no row. A statement without a time has the version's.
SELECT 'email' AS identifier_type, email AS identifier, 'email' AS channel, 'marketing' AS purpose,
  r.defaultEmailAddress.marketingState = 'SUBSCRIBED' AS granted,
  coalesce(mail_said_at, updated_at) AS recorded_at,
  'shopify customer e-mail marketing state' AS evidence, day
FROM usable
WHERE r.defaultEmailAddress.marketingState IN ('SUBSCRIBED', 'UNSUBSCRIBED', 'INVALID', 'REDACTED')
UNION ALL
SELECT 'phone', phone, 'sms', 'marketing', r.defaultPhoneNumber.smsMarketingConsent.state = 'SUBSCRIBED',
  coalesce(sms_said_at, updated_at),
  'shopify customer SMS marketing consent', day
FROM usable
WHERE r.defaultPhoneNumber.smsMarketingConsent.state IN ('SUBSCRIBED', 'UNSUBSCRIBED', 'REDACTED')
UNION ALL
SELECT k.kind, CASE k.kind WHEN 'email' THEN email WHEN 'phone' THEN phone ELSE key END, 'ads', 'marketing', FALSE, updated_at,
  'shopify customer dataSaleOptOut', day
FROM usable
CROSS JOIN (SELECT unnest(['email', 'phone', 'customer_key']) AS kind) AS k
WHERE r.dataSaleOptOut
