-- One row per version of a customer who unsubscribed from e-mail. "Not unsubscribed" is no grant and gives no row.
-- Square does not say when it was said: the version's time stands in, so a later change of the record repeats the denial.
SELECT
  $source AS source,
  CASE WHEN e.email IS NULL THEN 'customer_key' ELSE 'email' END AS identifier_type,
  coalesce(e.email, c.key) AS identifier,
  'email' AS channel,
  'marketing' AS purpose,
  c.updated_at AS recorded_at,
  'denied' AS status,
  'square customer preferences.email_unsubscribed' AS evidence,
  c.day
FROM parsed AS c
LEFT JOIN emails AS e ON e.raw = c.email_raw
WHERE c.reason IS NULL AND c.r.preferences.email_unsubscribed
