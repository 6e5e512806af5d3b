-- One row per product of a person's cart that is not completed at the end of as_of; `created_on` is a company day.
SELECT
    r.profile_id, c.source, c.cart_key, c.created_at, CAST(timezone($zone, c.created_at) AS DATE) AS created_on,
    unnest(list_distinct(c.product_keys)) AS product_key
FROM carts_as_of AS c
JOIN persons AS r
    ON r.source = c.source
    AND r.entity = CASE WHEN c.customer_key IS NULL THEN 'cart' ELSE 'customer' END
    AND r.record_key = coalesce(c.customer_key, c.cart_key)
WHERE NOT c.completed
