-- One row per order held in more than one version and made by the end of as_of: its version of that day, or the earliest held
-- after it.
SELECT
    c.source, c.order_key,
    coalesce(max(c.updated_at) FILTER (WHERE c.day <= $as_of), min(c.updated_at)) AS updated_at
FROM order_versions AS c
JOIN revised_orders AS r ON r.source = c.source AND r.order_key = c.order_key
WHERE c.ordered_on <= $as_of
GROUP BY c.source, c.order_key
