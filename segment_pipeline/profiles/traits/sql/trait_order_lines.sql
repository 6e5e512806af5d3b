-- One row per line of a completed order of a person made by the end of as_of.
SELECT
    o.profile_id, o.source, o.order_key, l.line_number, o.ordered_on, l.product_key,
    coalesce(p.item_key, concat_ws(':', o.source, l.product_key)) AS item_key, p.brand, p.department, p.category, p.collection,
    l.quantity, l.net_base AS net, l.is_markdown,
    l.tax, l.parent_order_key, l.parent_line_number
FROM known_lines AS l
JOIN trait_orders AS o ON o.order_no = l.order_no AND o.updated_at = l.updated_at
LEFT JOIN products_as_of AS p ON p.product_no = l.product_no
