-- One row per return or exchange made by the end of as_of: its net without what was bought (negative), what was bought in it,
-- and whether the order it gives back is held.
SELECT
    o.order_no, o.source, o.order_key, o.parent_order_key, o.ordered_on, o.local_at, o.store_key,
    CASE WHEN o.kind = 'exchange' THEN coalesce(l.returned, 0) ELSE o.net_base END AS returned,
    CASE WHEN o.kind = 'exchange' THEN o.net_base - coalesce(l.returned, 0) ELSE 0 END AS bought,
    p.order_key IS NOT NULL AS linked
FROM orders_as_of AS o
LEFT JOIN orders_as_of AS p ON p.source = o.source AND p.order_key = o.parent_order_key
LEFT JOIN (
    SELECT r.order_no, sum(r.net_base) AS returned
    FROM numbered_lines AS r
    JOIN orders_as_of AS x ON x.order_no = r.order_no
    WHERE x.kind = 'exchange' AND r.net < 0
    GROUP BY r.order_no
) AS l ON l.order_no = o.order_no
WHERE o.kind IN ('return', 'exchange') AND o.status = 'completed'
