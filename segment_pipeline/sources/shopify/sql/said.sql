-- One row per statement an account's version carries: e-mail and SMS states with their own times, and sale opt-outs as denied
-- ads. A no is said of the account as well: with a redacted address it is all that is left to say it of. INVALID is about the
-- address alone. Every other state (NOT_SUBSCRIBED, NEVER_SUBSCRIBED, PENDING) is neither a yes nor a no, and no more the yes it
-- may have been before.
SELECT k.kind AS identifier_type, CASE k.kind WHEN 'email' THEN email ELSE key END AS identifier, 'email' AS channel,
  'marketing' AS purpose,
  CASE WHEN r.defaultEmailAddress.marketingState = 'SUBSCRIBED' THEN 'granted'
    WHEN r.defaultEmailAddress.marketingState IN ('UNSUBSCRIBED', 'REDACTED', 'INVALID') THEN 'denied' ELSE 'unsaid' END AS status,
  mail_said_at AS said_at, updated_at AS arrived_at,
  'shopify customer e-mail marketing state' AS evidence, day
FROM usable
CROSS JOIN (SELECT unnest(['email', 'customer_key']) AS kind) AS k
WHERE r.defaultEmailAddress.marketingState IN ('UNSUBSCRIBED', 'REDACTED')
  OR (k.kind = 'email' AND r.defaultEmailAddress.marketingState IS NOT NULL)
UNION ALL
SELECT k.kind, CASE k.kind WHEN 'phone' THEN phone ELSE key END, 'sms', 'marketing',
  CASE WHEN r.defaultPhoneNumber.smsMarketingConsent.state = 'SUBSCRIBED' THEN 'granted'
    WHEN r.defaultPhoneNumber.smsMarketingConsent.state IN ('UNSUBSCRIBED', 'REDACTED') THEN 'denied' ELSE 'unsaid' END,
  sms_said_at, updated_at,
  'shopify customer SMS marketing consent', day
FROM usable
CROSS JOIN (SELECT unnest(['phone', 'customer_key']) AS kind) AS k
WHERE r.defaultPhoneNumber.smsMarketingConsent.state IN ('UNSUBSCRIBED', 'REDACTED')
  OR (k.kind = 'phone' AND r.defaultPhoneNumber.phoneNumber IS NOT NULL)
UNION ALL
SELECT k.kind, CASE k.kind WHEN 'email' THEN email WHEN 'phone' THEN phone ELSE key END, 'ads', 'marketing', 'denied', NULL, updated_at,
  'shopify customer dataSaleOptOut', day
FROM usable
CROSS JOIN (SELECT unnest(['email', 'phone', 'customer_key']) AS kind) AS k
WHERE r.dataSaleOptOut
