-- One row per paid order of a person that sold goods, made by the end of as_of: sales, loads of prepaid balance alone left out, and
-- exchanges, which are no orders (`is_order`). `spend`: see the definition of money; NULL: no rate. `is_worth`: it sold goods worth
-- something; `is_kept`: some of that is kept; `given_back`: its lines may not be kept as they were sold.
SELECT
    o.source, o.day, o.order_no, o.order_key, o.updated_at, CASE WHEN o.kind = 'sale' THEN o.person_no ELSE x.person_no END AS person_no,
    o.kind = 'sale' AS is_order, o.ordered_at, o.ordered_on, o.local_at, o.channel, o.store_key, o.coupon_codes, o.campaign_key,
    CASE WHEN k.order_no IS NULL THEN o.net_base ELSE k.spend END AS spend,
    CASE WHEN k.order_no IS NULL THEN o.net > 0 ELSE k.is_worth END AS is_worth,
    CASE WHEN k.order_no IS NULL THEN o.net > 0 ELSE k.is_kept END AS is_kept,
    k.order_no IS NOT NULL AS given_back
FROM owned_orders AS o
LEFT JOIN orders_kept AS k ON k.order_no = o.order_no
LEFT JOIN exchanged AS x ON x.order_no = CASE WHEN o.kind = 'exchange' THEN o.order_no END
WHERE o.is_paid AND CASE WHEN o.kind = 'sale' THEN o.person_no ELSE x.person_no END IS NOT NULL
    AND NOT (o.kind = 'sale' AND o.gift_card_sold > 0 AND o.gross = 0)
