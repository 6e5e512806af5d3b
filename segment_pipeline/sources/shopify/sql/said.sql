-- One row per statement an account's version carries: e-mail and SMS states with their own times, and sale opt-outs as denied
-- ads. States that are neither a yes nor a no (NOT_SUBSCRIBED, PENDING) give no row. A no is said of the account as well: with a
-- redacted address it is all that is left to say it of. INVALID is about the address alone.
SELECT k.kind AS identifier_type, CASE k.kind WHEN 'email' THEN email ELSE key END AS identifier, 'email' AS channel,
  'marketing' AS purpose,
  r.defaultEmailAddress.marketingState = 'SUBSCRIBED' AS granted,
  mail_said_at AS said_at, updated_at AS arrived_at,
  'shopify customer e-mail marketing state' AS evidence, day
FROM usable
CROSS JOIN (SELECT unnest(['email', 'customer_key']) AS kind) AS k
WHERE r.defaultEmailAddress.marketingState IN ('UNSUBSCRIBED', 'REDACTED')
  OR (k.kind = 'email' AND r.defaultEmailAddress.marketingState IN ('SUBSCRIBED', 'INVALID'))
UNION ALL
SELECT k.kind, CASE k.kind WHEN 'phone' THEN phone ELSE key END, 'sms', 'marketing',
  r.defaultPhoneNumber.smsMarketingConsent.state = 'SUBSCRIBED',
  sms_said_at, updated_at,
  'shopify customer SMS marketing consent', day
FROM usable
CROSS JOIN (SELECT unnest(['phone', 'customer_key']) AS kind) AS k
WHERE r.defaultPhoneNumber.smsMarketingConsent.state IN ('UNSUBSCRIBED', 'REDACTED')
  OR (k.kind = 'phone' AND r.defaultPhoneNumber.smsMarketingConsent.state = 'SUBSCRIBED')
UNION ALL
SELECT k.kind, CASE k.kind WHEN 'email' THEN email WHEN 'phone' THEN phone ELSE key END, 'ads', 'marketing', FALSE, NULL, updated_at,
  'shopify customer dataSaleOptOut', day
FROM usable
CROSS JOIN (SELECT unnest(['email', 'phone', 'customer_key']) AS kind) AS k
WHERE r.dataSaleOptOut
