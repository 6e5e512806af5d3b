-- One row per (source, customer, e-mail) met in events, messages and survey answers by the end of as_of; a
-- customer key that names nobody is none.
SELECT source, customer_source, customer_key, email, min(first_at) AS first_at, max(last_at) AS last_at
FROM (
    SELECT source, customer_source, customer_key, email, first_at, last_at
    FROM visits_by_contact
    UNION ALL
    SELECT
        s.source, s.customer_source, CASE WHEN n.customer_key IS NULL THEN s.customer_key END AS customer_key, s.email,
        s.first_at, s.last_at
    FROM (
        SELECT s.source, coalesce(k.owner, s.source) AS customer_source, s.customer_key, s.email, min(s.said_at) AS first_at, max(s.said_at) AS last_at
        FROM (
            SELECT source, customer_key, email, occurred_at AS said_at FROM messages WHERE occurred_on <= $as_of
            UNION ALL
            SELECT source, customer_key, email, answered_at FROM survey_answers WHERE answered_on <= $as_of
        ) AS s
        LEFT JOIN key_spaces AS k ON k.source = s.source
        GROUP BY s.source, coalesce(k.owner, s.source), s.customer_key, s.email
    ) AS s
    LEFT JOIN nameless_keys AS n ON n.source = s.customer_source AND n.customer_key = s.customer_key
) AS met
WHERE customer_key IS NOT NULL OR email IS NOT NULL
GROUP BY source, customer_source, customer_key, email
