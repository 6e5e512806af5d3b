-- One row per member's version that is unsubscribed. Mailchimp tells no time of it but when the member was changed last.
SELECT 'email' AS identifier_type, email AS identifier, 'email' AS channel, 'marketing' AS purpose, 'denied' AS status,
  CAST(NULL AS TIMESTAMPTZ) AS said_at, updated_at AS arrived_at, 'mailchimp unsubscribed' AS evidence, day
FROM usable
WHERE r.status = 'unsubscribed'
