-- One row per line of a completed sale of a person.
SELECT
    o.profile_id, o.person_no, 'product_bought' AS name, 'lines' AS told_by, o.ordered_at AS occurred_at, o.ordered_on AS occurred_on,
    o.local_at, o.source, l.product_key, coalesce(p.item_key, concat_ws(':', o.source, l.product_key)) AS item_key,
    p.brand, p.department, p.category, p.collection, p.launched_on, l.quantity, l.net_base AS amount, l.is_markdown,
    coalesce(g.name, o.campaign_key) AS campaign, o.channel, CAST(NULL AS VARCHAR) AS subject,
    CAST(NULL AS VARCHAR) AS text, CAST(NULL AS DOUBLE) AS score, o.order_key
FROM order_lines AS l
JOIN activity_sales AS o ON o.source = l.source AND o.order_key = l.order_key AND o.updated_at = l.updated_at
LEFT JOIN activity_products AS p ON p.source = l.source AND p.product_key = l.product_key
LEFT JOIN activity_campaigns AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
