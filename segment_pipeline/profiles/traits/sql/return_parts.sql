-- One row per return or exchange made by the end of as_of: its net without what was bought (negative), what was bought in it,
-- and whether the order it gives back is held.
SELECT
    o.source, o.day, o.order_key, o.updated_at, o.person_no, o.parent_order_key, o.ordered_on,
    CASE WHEN o.kind = 'exchange' THEN coalesce(l.returned, 0) ELSE o.net_base END AS returned,
    CASE WHEN o.kind = 'exchange' THEN o.net_base - coalesce(l.returned, 0) ELSE 0 END AS bought,
    p.order_key IS NOT NULL AS linked
FROM returned_orders AS o
LEFT JOIN (
    SELECT DISTINCT h.source, h.order_key
    FROM orders_as_of AS h
    JOIN returned_orders AS r ON r.source = h.source AND r.parent_order_key = h.order_key
) AS p ON p.source = o.source AND p.order_key = o.parent_order_key
LEFT JOIN (
    SELECT x.source, x.order_key, sum(r.net_base) AS returned
    FROM order_lines AS r
    JOIN returned_orders AS x ON x.source = r.source AND x.order_key = r.order_key AND x.updated_at = r.updated_at
    WHERE x.kind = 'exchange' AND r.net < 0
    GROUP BY x.source, x.order_key
) AS l ON l.source = o.source AND l.order_key = o.order_key
