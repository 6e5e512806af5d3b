-- One row per (source, device, customer, e-mail, company day) of events, of whatever day.
SELECT
    source, anonymous_id, customer_key, email, occurred_on,
    min(occurred_at) AS first_at, max(occurred_at) AS last_at, count(*) AS events
FROM events
GROUP BY source, anonymous_id, customer_key, email, occurred_on
