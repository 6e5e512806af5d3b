-- One row per (source, device, customer, e-mail, session, company day) of events, of whatever day: for runs of several days.
SELECT
    source, anonymous_id, customer_key, email, session_key, occurred_on,
    count(CASE WHEN name = 'visit' THEN 1 END) AS visits
FROM events
GROUP BY source, anonymous_id, customer_key, email, session_key, occurred_on
