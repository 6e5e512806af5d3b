-- One row per completed sale of a person made by the end of as_of, loads of prepaid balance alone left out; `revenue`: its net
-- with what was given back for it off, NULL: no rate.
SELECT
    o.source, o.day, o.order_key, o.updated_at, p.person_no, o.ordered_on, o.local_at, o.store_key,
    CAST(o.net_base - coalesce(r.refunded, 0) AS DECIMAL(18,4)) AS revenue,
    coalesce(r.of_lines, FALSE) AS refunded_lines
FROM orders_as_of AS o
JOIN buyer_records AS p
    ON p.source = o.source
    AND p.guest = (o.customer_key IS NULL)
    AND p.record_key = coalesce(o.customer_key, o.order_key)
LEFT JOIN order_refunds AS r ON r.source = o.source AND r.order_key = o.order_key
WHERE o.kind = 'sale' AND o.status = 'completed' AND NOT (o.gift_card_sold > 0 AND o.gross = 0)
