-- One row per line of a version of an order, with the product it is known to be of: one that was deleted at its source is gone from
-- newer versions, and what was known stays.
SELECT
    l.* EXCLUDE (product_key, product_no),
    coalesce(l.product_key, k.product_key) AS product_key, coalesce(l.product_no, k.product_no) AS product_no
FROM order_lines AS l
LEFT JOIN remembered_products AS k
    ON k.order_no = l.order_no AND k.line_number = l.line_number AND k.updated_at = l.updated_at
