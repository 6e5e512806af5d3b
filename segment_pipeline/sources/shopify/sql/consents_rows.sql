-- One row per statement an account's version carries: e-mail and SMS states with their own times, and sale opt-outs as denied
-- ads. States that are neither a yes nor a no (NOT_SUBSCRIBED, PENDING) give no row. A statement without a time has the version's.
WITH accounts AS (
  SELECT c.key, c.updated_at, c.day, c.r, e.email, p.phone
  FROM parsed AS c
  LEFT JOIN emails AS e ON e.raw = c.email_raw
  LEFT JOIN phones AS p ON p.raw = c.phone_raw AND p.country IS NOT DISTINCT FROM c.phone_country
  WHERE c.reason IS NULL
),
statements AS (
  SELECT 'email' AS identifier_type, email AS identifier, 'email' AS channel,
    coalesce(TRY_CAST(r.defaultEmailAddress.marketingUpdatedAt AS TIMESTAMPTZ), updated_at) AS recorded_at,
    CASE WHEN r.defaultEmailAddress.marketingState = 'SUBSCRIBED' THEN 'granted' ELSE 'denied' END AS status,
    'shopify customer e-mail marketing state' AS evidence, day
  FROM accounts
  WHERE r.defaultEmailAddress.marketingState IN ('SUBSCRIBED', 'UNSUBSCRIBED', 'INVALID', 'REDACTED')
  UNION ALL
  SELECT 'phone', phone, 'sms',
    coalesce(TRY_CAST(r.defaultPhoneNumber.smsMarketingConsent.updatedAt AS TIMESTAMPTZ), updated_at),
    CASE WHEN r.defaultPhoneNumber.smsMarketingConsent.state = 'SUBSCRIBED' THEN 'granted' ELSE 'denied' END,
    'shopify customer SMS marketing consent', day
  FROM accounts
  WHERE r.defaultPhoneNumber.smsMarketingConsent.state IN ('SUBSCRIBED', 'UNSUBSCRIBED', 'REDACTED')
  UNION ALL
  SELECT 'email', email, 'ads', updated_at, 'denied', 'shopify customer dataSaleOptOut', day FROM accounts WHERE r.dataSaleOptOut
  UNION ALL
  SELECT 'phone', phone, 'ads', updated_at, 'denied', 'shopify customer dataSaleOptOut', day FROM accounts WHERE r.dataSaleOptOut
  UNION ALL
  SELECT 'customer_key', key, 'ads', updated_at, 'denied', 'shopify customer dataSaleOptOut', day FROM accounts WHERE r.dataSaleOptOut
)
SELECT DISTINCT
  $source AS source,
  identifier_type,
  identifier,
  channel,
  'marketing' AS purpose,
  recorded_at,
  status,
  evidence,
  day
FROM statements
WHERE identifier IS NOT NULL
