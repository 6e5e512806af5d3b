-- One row per line of a person's goods of which units, or all, were given back by the end of as_of, with what is not kept of it; and per
-- thing given back that names no order (`order_key` NULL). Channel, store, coupons and campaign are the order's.
SELECT
    o.source, o.order_no, o.order_key, o.person_no, k.given_back_at, k.given_back_on, k.product_key, k.product_no, k.quantity_given_back AS quantity,
    k.net_given_back AS amount, o.channel, o.store_key, o.coupon_codes, o.campaign_key
FROM paid_orders AS o
-- Few on the right side, which is held in memory where joins go as they are written.
JOIN lines_kept AS k ON k.order_no = o.order_no
WHERE k.given_back_at IS NOT NULL AND (k.quantity_given_back > 0 OR (k.net_given_back > 0 AND NOT k.is_kept))
UNION ALL
SELECT
    source, CAST(NULL AS BIGINT), CAST(NULL AS VARCHAR), person_no, ordered_at, ordered_on, product_key, product_no, quantity, CAST(-spend AS DECIMAL(18,4)),
    CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR[]), CAST(NULL AS VARCHAR)
FROM loose_returns
