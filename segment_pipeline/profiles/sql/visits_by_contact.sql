-- One row per (source, device, customer, e-mail) that events by the end of as_of were seen with.
SELECT
    e.source, e.anonymous_id, e.customer_key, e.email,
    coalesce(k.owner, e.source) AS customer_source,
    min(e.first_at) AS first_at,
    max(e.last_at) AS last_at,
    CAST(sum(e.events) AS BIGINT) AS events
FROM event_days AS e
LEFT JOIN key_spaces AS k ON k.source = e.source
WHERE e.occurred_on <= $as_of
GROUP BY e.source, e.anonymous_id, e.customer_key, e.email, coalesce(k.owner, e.source)
