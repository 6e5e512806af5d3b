-- One row per version of a customer who unsubscribed from e-mail. "Not unsubscribed" is no grant and gives no row.
-- Square does not say when it was said: the version's time stands in, so a later change of the record repeats the denial.
SELECT
  CASE WHEN email IS NULL THEN 'customer_key' ELSE 'email' END AS identifier_type,
  coalesce(email, key) AS identifier,
  'email' AS channel,
  'marketing' AS purpose,
  FALSE AS granted,
  updated_at AS recorded_at,
  'square customer preferences.email_unsubscribed' AS evidence,
  day
FROM usable
WHERE r.preferences.email_unsubscribed
