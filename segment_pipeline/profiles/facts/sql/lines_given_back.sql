-- One row per line sold by those orders.
SELECT l.source, l.order_key, l.line_number, l.product_key, l.quantity, l.net, coalesce(l.tax, 0) AS tax, o.sold, o.rate
FROM known_lines AS l
JOIN orders_given_back AS o ON o.source = l.source AND o.order_key = l.order_key AND o.updated_at = l.updated_at
WHERE l.net >= 0 AND NOT starts_with(l.line_number, 'return:')
