-- One row per (source, customer, e-mail) met in events, messages and survey answers by the end of as_of.
SELECT source, customer_source, customer_key, email, min(first_at) AS first_at, max(last_at) AS last_at
FROM (
    SELECT source, customer_source, customer_key, email, first_at, last_at
    FROM visits_by_contact
    UNION ALL
    SELECT m.source, coalesce(k.owner, m.source) AS customer_source, m.customer_key, m.email, min(m.occurred_at) AS first_at, max(m.occurred_at) AS last_at
    FROM messages AS m
    LEFT JOIN key_spaces AS k ON k.source = m.source
    WHERE m.occurred_on <= $as_of
    GROUP BY m.source, coalesce(k.owner, m.source), m.customer_key, m.email
    UNION ALL
    SELECT a.source, coalesce(k.owner, a.source) AS customer_source, a.customer_key, a.email, min(a.answered_at) AS first_at, max(a.answered_at) AS last_at
    FROM survey_answers AS a
    LEFT JOIN key_spaces AS k ON k.source = a.source
    WHERE a.answered_on <= $as_of
    GROUP BY a.source, coalesce(k.owner, a.source), a.customer_key, a.email
) AS met
WHERE customer_key IS NOT NULL OR email IS NOT NULL
GROUP BY source, customer_source, customer_key, email
