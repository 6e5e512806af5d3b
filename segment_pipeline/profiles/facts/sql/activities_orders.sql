-- One row per paid sale of a person, with its spend.
SELECT
    r.profile_id, o.person_no, 'order' AS name, 'orders' AS told_by, o.ordered_at AS occurred_at, o.ordered_on AS occurred_on,
    o.local_at, o.source, o.spend AS amount, coalesce(g.name, o.campaign_key) AS campaign, o.channel, o.order_no, o.order_key, o.store_key,
    o.coupon_codes, o.is_worth, o.is_kept
FROM paid_orders AS o
LEFT JOIN people AS r ON r.person_no = o.person_no
LEFT JOIN campaigns_as_of AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.is_order AND o.ordered_on >= $since
