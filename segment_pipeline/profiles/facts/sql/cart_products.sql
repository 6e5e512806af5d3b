-- One row per product of a cart that is not completed at the end of as_of, with when the cart's content last changed, as far as
-- its versions by then tell; `changed_on` is that company day. A version that changes nothing of it makes no cart younger.
SELECT
    c.source, c.cart_key, c.customer_key,
    greatest(c.created_at, coalesce(h.changed_at, c.created_at)) AS changed_at,
    CAST(timezone($zone, greatest(c.created_at, coalesce(h.changed_at, c.created_at))) AS DATE) AS changed_on,
    unnest(list_distinct(k.product_keys)) AS product_key
FROM carts_as_of AS c
JOIN known_carts AS k ON k.source = c.source AND k.cart_key = c.cart_key AND k.updated_at = c.updated_at
LEFT JOIN (
    SELECT source, cart_key, max(updated_at) AS changed_at
    FROM (
        SELECT
            source, cart_key, updated_at, contents, value,
            lag(contents) OVER (PARTITION BY source, cart_key ORDER BY updated_at) AS contents_before,
            lag(value) OVER (PARTITION BY source, cart_key ORDER BY updated_at) AS value_before
        FROM (
            SELECT source, cart_key, updated_at, value, array_to_string(product_keys, '|') AS contents
            FROM known_carts
            WHERE day <= $as_of AND updated_at < $end
        ) AS held
    ) AS versions
    WHERE contents IS DISTINCT FROM contents_before OR value IS DISTINCT FROM value_before
    GROUP BY source, cart_key
) AS h ON h.source = c.source AND h.cart_key = c.cart_key
WHERE NOT c.completed
