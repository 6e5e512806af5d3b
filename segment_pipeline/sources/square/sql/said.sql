-- One row per version of a customer who unsubscribed from e-mail, of the address and of the customer, whose address may be gone.
-- "Not unsubscribed" is no grant and gives no row. Square does not say when it was said.
SELECT
  k.kind AS identifier_type,
  CASE k.kind WHEN 'email' THEN email ELSE key END AS identifier,
  'email' AS channel,
  'marketing' AS purpose,
  'denied' AS status,
  CAST(NULL AS TIMESTAMPTZ) AS said_at,
  updated_at AS arrived_at,
  'square customer preferences.email_unsubscribed' AS evidence,
  day
FROM usable
CROSS JOIN (SELECT unnest(['email', 'customer_key']) AS kind) AS k
WHERE r.preferences.email_unsubscribed
