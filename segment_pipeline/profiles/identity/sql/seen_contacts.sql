-- One row per (source, device, customer, e-mail) that events by the end of as_of were seen with.
SELECT
    e.source, e.anonymous_id, e.customer_key, e.email,
    coalesce(k.owner, e.source) AS customer_source,
    e.first_at, e.last_at, e.events
FROM (
    SELECT
        source, anonymous_id, customer_key, email,
        min(first_at) AS first_at, max(last_at) AS last_at, CAST(sum(events) AS BIGINT) AS events
    FROM sightings
    WHERE occurred_on <= $as_of
    GROUP BY source, anonymous_id, customer_key, email
) AS e
LEFT JOIN key_spaces AS k ON k.source = e.source
