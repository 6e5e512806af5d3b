-- One row per exchange and thing it gives back: the order that is of, and whose that order is by its own customer. NULL: not named.
SELECT x.source, x.order_key, x.person_no, x.net, g.parent_order_key, g.amount, p.person_no AS buyer_no
FROM returned_orders AS x
LEFT JOIN goods_returned AS g ON g.source = x.source AND g.order_key = x.order_key
LEFT JOIN orders_as_of AS o ON o.source = g.source AND o.order_key = g.parent_order_key
LEFT JOIN buyer_records AS p
    ON p.source = o.source
    AND p.guest = (o.customer_key IS NULL)
    AND p.record_key = coalesce(o.customer_key, o.order_key)
WHERE x.kind = 'exchange'
