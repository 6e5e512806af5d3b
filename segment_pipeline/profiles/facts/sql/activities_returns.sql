-- One row per line of goods that a person gave back units of.
SELECT
    r.profile_id, o.person_no, 'product_returned' AS name, 'returns' AS told_by, o.given_back_at AS occurred_at,
    o.given_back_on AS occurred_on, o.source, o.product_key, CASE WHEN o.product_key IS NOT NULL THEN coalesce(p.item_key,
    concat_ws(':', o.source, o.product_key)) END AS item_key, p.brand, p.department, p.category, p.collection, p.launched_on,
    o.quantity, o.amount, coalesce(g.name, o.campaign_key) AS campaign, o.channel, o.order_no, o.order_key, o.store_key, o.coupon_codes
FROM goods_given_back AS o
LEFT JOIN people AS r ON r.person_no = o.person_no
LEFT JOIN products_as_of AS p ON p.product_no = o.product_no
LEFT JOIN campaigns_as_of AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.given_back_on >= $since
