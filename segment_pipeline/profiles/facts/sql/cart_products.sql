-- One row per product of a cart that is not completed at the end of as_of; `created_on` is a company day.
SELECT
    c.source, c.cart_key, c.customer_key, c.created_at, CAST(timezone($zone, c.created_at) AS DATE) AS created_on,
    unnest(list_distinct(c.product_keys)) AS product_key
FROM carts_as_of AS c
WHERE NOT c.completed
