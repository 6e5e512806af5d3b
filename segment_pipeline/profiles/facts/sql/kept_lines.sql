-- One row per line of goods sold to a person by the end of as_of, with its order: its net in the base currency less what was given back
-- of it (NULL: no rate), the units kept, and whether any of it is. What exchanges give back is not theirs, but off the lines it comes from.
SELECT
    o.*,
    l.day AS line_day, l.line_number, l.product_key, l.product_no, l.is_markdown,
    CASE WHEN k.order_no IS NULL THEN l.quantity ELSE k.quantity END AS units_kept,
    CASE WHEN k.order_no IS NULL THEN l.net_base ELSE k.net_base END AS net_kept,
    CASE WHEN k.order_no IS NULL THEN l.net >= 0 ELSE k.is_kept END AS is_line_kept
FROM known_lines AS l
JOIN paid_orders AS o ON o.order_no = l.order_no AND o.updated_at = l.updated_at
-- NULL where nothing was given back, which is most of them: those are not looked up.
LEFT JOIN lines_kept AS k
    ON k.order_no = CASE WHEN o.given_back THEN l.order_no END
    AND k.line_number = l.line_number
WHERE o.is_order OR (l.net >= 0 AND NOT starts_with(l.line_number, 'return:'))
