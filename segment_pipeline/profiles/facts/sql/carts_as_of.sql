-- One row per cart begun by the end of as_of: the version of that day, or the earliest held after it. A customer key
-- that names nobody is none.
SELECT
    c.source, c.cart_key, c.updated_at, CASE WHEN n.customer_key IS NULL THEN c.customer_key END AS customer_key, c.email, c.phone, c.anonymous_id, c.first_name, c.last_name, c.created_at, c.completed_at,
    c.value,
    c.completed_at IS NOT NULL AND c.completed_at < $end AS completed
FROM carts AS c
JOIN (
    SELECT
        source, cart_key,
        coalesce(max(updated_at) FILTER (WHERE day <= $as_of), min(updated_at)) AS updated_at
    FROM carts
    GROUP BY source, cart_key
) AS v ON v.source = c.source AND v.cart_key = c.cart_key AND v.updated_at = c.updated_at
LEFT JOIN nameless_cart_keys AS n ON n.source = c.source AND n.customer_key = c.customer_key
WHERE c.created_at < $end
