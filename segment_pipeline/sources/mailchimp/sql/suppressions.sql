-- One row per address that Mailchimp has cleaned: it bounced for good, or too often.
SELECT 'email' AS identifier_type, email AS identifier, 'email' AS channel, 'bounced' AS reason, min(updated_at) AS recorded_at, day
FROM usable
WHERE r.status = 'cleaned' AND email IS NOT NULL
GROUP BY ALL
