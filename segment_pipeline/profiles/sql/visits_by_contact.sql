-- One row per (source, device, customer, e-mail) that events by the end of as_of were seen with.
SELECT
    e.source, e.anonymous_id, e.customer_key, e.email,
    coalesce(k.owner, e.source) AS customer_source,
    min(e.occurred_at) AS first_at,
    max(e.occurred_at) AS last_at,
    count(*) AS events
FROM events AS e
LEFT JOIN key_spaces AS k ON k.source = e.source
WHERE e.occurred_on <= $as_of
GROUP BY e.source, e.anonymous_id, e.customer_key, e.email, coalesce(k.owner, e.source)
