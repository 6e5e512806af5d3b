-- One row per order of a person that moves money: a completed sale with what was given back for it off, on the sale's day;
-- what an exchange sold and what an unlinked return gave back, on their own day, as no order.
SELECT
    s.profile_id, s.ordered_on, s.local_at, s.source, s.store_key, 1 AS orders, s.net_base - coalesce(r.refunded, 0) AS revenue
FROM sales AS s
LEFT JOIN order_refunds AS r ON r.source = s.source AND r.order_key = s.order_key
UNION ALL
SELECT
    o.profile_id, p.ordered_on, p.local_at, p.source, p.store_key, 0,
    p.bought + CASE WHEN p.linked THEN 0 ELSE p.returned END
FROM return_parts AS p
JOIN order_persons AS o ON o.source = p.source AND o.order_key = p.order_key
