-- One row per thing given back by a return or exchange: its lines, or where it has none the whole of it.
SELECT * FROM returned_lines
UNION ALL
SELECT
    o.source, o.order_key, o.person_no, o.ordered_at, o.ordered_on, CAST(NULL AS VARCHAR), o.parent_order_key, CAST(NULL AS VARCHAR),
    -o.net, -o.net_base, CAST(NULL AS DECIMAL(18,8)), FALSE
FROM returned_orders AS o
LEFT JOIN (SELECT DISTINCT source, order_key FROM returned_lines) AS l ON l.source = o.source AND l.order_key = o.order_key
WHERE (o.kind = 'return' OR o.net < 0) AND l.order_key IS NULL
