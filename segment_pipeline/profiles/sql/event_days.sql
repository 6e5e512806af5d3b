-- One row per (source, device, customer, e-mail, company day) of events, and session where $sessions; of whatever day.
SELECT
    source, anonymous_id, customer_key, email,
    CASE WHEN $sessions THEN session_key END AS session_key,
    occurred_on,
    min(occurred_at) AS first_at,
    max(occurred_at) AS last_at,
    count(*) AS events,
    count(CASE WHEN name = 'visit' THEN 1 END) AS visits
FROM events
GROUP BY source, anonymous_id, customer_key, email, CASE WHEN $sessions THEN session_key END, occurred_on
