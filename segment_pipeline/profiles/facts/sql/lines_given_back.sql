-- One row per line sold by those orders.
SELECT l.order_no, l.line_number, l.product_key, l.product_no, l.quantity, l.net, coalesce(l.tax, 0) AS tax, o.sold, o.rate
FROM known_lines AS l
JOIN orders_given_back AS o ON o.order_no = l.order_no AND o.updated_at = l.updated_at
WHERE l.net >= 0 AND NOT starts_with(l.line_number, 'return:')
