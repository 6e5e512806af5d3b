-- One row per line of a version of an order, with the product it is known to be of: one that was deleted at its source is gone from
-- newer versions, and what was known stays.
SELECT l.* EXCLUDE (product_key), coalesce(l.product_key, k.product_key) AS product_key
FROM order_lines AS l
LEFT JOIN remembered_products AS k
    ON k.source = l.source AND k.order_key = l.order_key AND k.line_number = l.line_number AND k.updated_at = l.updated_at
