-- One row per movement of a person's spend that is no order: what an exchange sold, and what was given back without naming an order.
SELECT
    r.profile_id, o.person_no, 'spend without order' AS name, 'apart' AS told_by, o.ordered_at AS occurred_at,
    o.ordered_on AS occurred_on, o.local_at, o.source, o.spend AS amount, coalesce(g.name, o.campaign_key) AS campaign, o.channel,
    o.order_key, o.store_key, o.coupon_codes
FROM (
    SELECT person_no, ordered_at, ordered_on, local_at, source, channel, campaign_key, spend, order_key, store_key,
        coupon_codes
    FROM paid_orders_held
    WHERE NOT is_order
    UNION ALL
    SELECT
        person_no, ordered_at, ordered_on, CAST(NULL AS TIMESTAMP), source, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), spend,
        order_key, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR[])
    FROM loose_returns
) AS o
LEFT JOIN activity_people AS r ON r.person_no = o.person_no
LEFT JOIN activity_campaigns AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.ordered_on >= $since
