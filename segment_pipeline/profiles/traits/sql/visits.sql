-- One row per event, of whatever day.
SELECT
    source, anonymous_id, customer_key, email, session_key, occurred_on,
    CASE WHEN name = 'visit' THEN 1 ELSE 0 END AS visits
FROM events
