-- One row per (source, device, customer, e-mail) seen in events by the end of as_of.
SELECT
    source, anonymous_id, customer_key, email,
    max(occurred_on) AS last_on,
    max(CASE WHEN visits > 0 THEN occurred_on END) AS last_visit_on,
    sum(CASE WHEN occurred_on > $days_7 THEN visits ELSE 0 END) AS visits_7d,
    sum(CASE WHEN occurred_on > $days_30 THEN visits ELSE 0 END) AS visits_30d
FROM visit_days
WHERE occurred_on <= $as_of
GROUP BY source, anonymous_id, customer_key, email
