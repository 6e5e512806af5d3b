-- One row per completed return or exchange made by the end of as_of, whoever's; `person_no` NULL: nobody's.
SELECT
    o.source, o.day, o.order_no, o.order_key, o.updated_at, o.kind, o.parent_order_key, o.ordered_at, o.ordered_on, o.net, o.net_base, p.person_no
FROM orders_as_of AS o
LEFT JOIN buyer_records AS p
    ON p.guest = (o.customer_no IS NULL)
    AND p.key_no = coalesce(o.customer_no, o.order_no)
WHERE o.kind IN ('return', 'exchange') AND o.status = 'completed'
