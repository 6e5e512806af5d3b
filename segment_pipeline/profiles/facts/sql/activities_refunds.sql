-- One row per time a person was given back money for goods of an order.
SELECT
    r.profile_id, o.person_no, 'order_refunded' AS name, 'refunds' AS told_by, o.given_back_at AS occurred_at,
    o.given_back_on AS occurred_on, o.source, o.amount, coalesce(g.name, o.campaign_key) AS campaign, o.channel, o.order_no, o.order_key,
    o.store_key, o.coupon_codes
FROM money_given_back AS o
LEFT JOIN people AS r ON r.person_no = o.person_no
LEFT JOIN campaigns_as_of AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.given_back_on >= $since
