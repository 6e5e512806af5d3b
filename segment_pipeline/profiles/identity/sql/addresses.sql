-- One row per (source, e-mail) met in events, messages and survey answers by the end of as_of, with the key of its record.
SELECT source, email, sha256(email) AS record_key, min(first_at) AS first_at, max(last_at) AS last_at
FROM contacts
WHERE email IS NOT NULL
GROUP BY source, email
