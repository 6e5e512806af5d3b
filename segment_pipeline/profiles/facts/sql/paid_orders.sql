-- One row per paid order of a person that sold goods, made by the end of as_of: sales, loads of prepaid balance alone left out, and
-- exchanges, which are no orders (`is_order`). `spend`: see the definition of money; NULL: no rate. `is_worth`: it sold goods worth
-- something; `is_kept`: some of that is kept; `given_back`: its lines may not be kept as they were sold.
SELECT
    o.source, o.day, o.order_no, o.order_key, o.updated_at, p.person_no, TRUE AS is_order, o.ordered_at, o.ordered_on, o.local_at, o.channel,
    o.store_key, o.coupon_codes, o.campaign_key,
    CASE WHEN k.order_no IS NULL THEN o.net_base ELSE k.spend END AS spend,
    o.net > 0 AS is_worth,
    CASE WHEN k.order_no IS NULL THEN o.net > 0 ELSE k.is_kept END AS is_kept,
    k.order_no IS NOT NULL AS given_back
FROM orders_as_of AS o
JOIN buyer_records AS p
    ON p.guest = (o.customer_no IS NULL)
    AND p.key_no = coalesce(o.customer_no, o.order_no)
LEFT JOIN orders_kept AS k ON k.order_no = o.order_no
WHERE o.kind = 'sale' AND o.status = 'completed' AND NOT (o.gift_card_sold > 0 AND o.gross = 0)
UNION ALL
SELECT
    o.source, o.day, o.order_no, o.order_key, o.updated_at, x.person_no, FALSE, o.ordered_at, o.ordered_on, o.local_at, o.channel,
    o.store_key, o.coupon_codes, o.campaign_key, k.spend, k.is_worth, k.is_kept, TRUE
FROM exchanged AS x
JOIN orders_as_of AS o ON o.order_no = x.order_no
JOIN orders_kept AS k ON k.order_no = x.order_no
WHERE x.person_no IS NOT NULL
