-- One row per exchange of a person, with what it sold: spend that is of no order.
SELECT
    r.profile_id, o.person_no, 'spend without order' AS name, 'exchanges' AS told_by, o.ordered_at AS occurred_at,
    o.ordered_on AS occurred_on, o.local_at, o.source, o.spend AS amount, coalesce(g.name, o.campaign_key) AS campaign, o.channel,
    o.order_key, o.store_key, o.coupon_codes
FROM paid_orders AS o
LEFT JOIN people AS r ON r.person_no = o.person_no
LEFT JOIN campaigns_as_of AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE NOT o.is_order AND o.ordered_on >= $since
