-- One row per version of a cart, with the products it is known to hold, sorted: one that was deleted at its source is gone from newer
-- versions, and what was known stays.
SELECT
    c.source, c.cart_key, c.updated_at, c.value, c.day,
    list_sort(CASE WHEN k.cart_key IS NULL THEN c.product_keys ELSE list_distinct(list_concat(c.product_keys, k.product_keys)) END) AS product_keys
FROM carts AS c
LEFT JOIN remembered_cart_products AS k
    ON k.source = c.source AND k.cart_key = c.cart_key AND k.updated_at = c.updated_at
