-- One row per line given back by those, amounts positive, with the order and line it comes from where they are named. `holds_tax`:
-- the amount is what was paid back, tax included. A return without lines is one of no line.
SELECT
    o.source, o.order_no, o.order_key, o.person_no, o.ordered_at, o.ordered_on, l.product_key, l.product_no,
    coalesce(l.parent_order_key, o.parent_order_key) AS parent_order_key,
    l.parent_line_number,
    -l.net AS amount,
    -l.net_base AS amount_base,
    abs(l.quantity) AS quantity,
    l.tax IS NULL AS holds_tax
FROM known_lines AS l
JOIN returned_orders AS o ON o.order_no = l.order_no AND o.updated_at = l.updated_at
WHERE l.net < 0 OR starts_with(l.line_number, 'return:')
