-- One row per (source, device, customer, e-mail) that events by the end of as_of were seen with; a customer key that names
-- nobody is none.
SELECT
    s.source, s.anonymous_id, CASE WHEN n.customer_key IS NULL THEN s.customer_key END AS customer_key, s.email,
    s.customer_source, s.first_at, s.last_at, s.events
FROM seen_contacts AS s
LEFT JOIN nameless_keys AS n ON n.source = s.customer_source AND n.customer_key = s.customer_key
