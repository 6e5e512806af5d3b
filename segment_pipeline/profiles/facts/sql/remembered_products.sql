-- One row per line of an order's version that names no product where an earlier version did: the one that the newest of those names.
SELECT
    n.order_no, n.line_number, n.updated_at, max_by(e.product_key, e.updated_at) AS product_key, max_by(e.product_no, e.updated_at) AS product_no
FROM order_lines AS n
JOIN revised_orders AS r ON r.order_no = n.order_no
JOIN order_lines AS e ON e.order_no = n.order_no AND e.line_number = n.line_number AND e.updated_at < n.updated_at
WHERE n.product_key IS NULL AND e.product_key IS NOT NULL
GROUP BY n.order_no, n.line_number, n.updated_at
