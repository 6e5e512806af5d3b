-- One row per line of goods that a person bought and keeps any of.
SELECT
    r.profile_id, o.person_no, 'product_bought' AS name, 'lines' AS told_by, o.ordered_at AS occurred_at, o.ordered_on AS occurred_on,
    o.local_at, o.source, o.product_key, coalesce(p.item_key, concat_ws(':', o.source, o.product_key)) AS item_key, p.brand,
    p.department, p.category, p.collection, p.launched_on, o.units_kept AS quantity, o.net_kept AS amount, o.is_markdown,
    coalesce(g.name, o.campaign_key) AS campaign, o.channel, o.order_no, o.order_key, o.store_key, o.coupon_codes
FROM kept_lines AS o
LEFT JOIN people AS r ON r.person_no = o.person_no
LEFT JOIN products_as_of AS p ON p.product_no = o.product_no
LEFT JOIN campaigns_as_of AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.is_line_kept AND o.ordered_on >= $since
