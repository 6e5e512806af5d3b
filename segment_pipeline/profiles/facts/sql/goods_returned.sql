-- One row per thing given back by a return or exchange: its lines, or where it has none the whole of it. `parent_no`: the number of
-- the order it comes from.
SELECT
    source, order_no, order_key, person_no, ordered_at, ordered_on, product_key, product_no, parent_order_key,
    key_number('order', source, parent_order_key) AS parent_no, parent_line_number, amount, amount_base, quantity, holds_tax
FROM (
    SELECT * FROM returned_lines
    UNION ALL
    SELECT
        o.source, o.order_no, o.order_key, o.person_no, o.ordered_at, o.ordered_on, CAST(NULL AS VARCHAR), CAST(NULL AS BIGINT),
        o.parent_order_key, CAST(NULL AS VARCHAR), -o.net, -o.net_base, CAST(NULL AS DECIMAL(18,8)), FALSE
    FROM returned_orders AS o
    LEFT JOIN (SELECT DISTINCT order_no FROM returned_lines) AS l ON l.order_no = o.order_no
    WHERE (o.kind = 'return' OR o.net < 0) AND l.order_no IS NULL
) AS returned
