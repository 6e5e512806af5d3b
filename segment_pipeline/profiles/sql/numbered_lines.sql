-- One row per line of an order version held, of whatever day: by the numbers of its order and product (NULL: none held).
SELECT v.order_no, p.product_no, l.product_key, l.line_number, l.quantity, l.net, l.net_base, l.is_markdown
FROM order_lines AS l
JOIN order_versions AS v ON v.source = l.source AND v.order_key = l.order_key AND v.updated_at = l.updated_at
LEFT JOIN product_numbers AS p ON p.source = l.source AND p.product_key = l.product_key
