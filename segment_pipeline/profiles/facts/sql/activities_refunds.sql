-- One row per time a person was given back money for goods of an order.
SELECT
    r.profile_id, o.person_no, 'order_refunded' AS name, 'refunds' AS told_by, o.given_back_at AS occurred_at,
    o.given_back_on AS occurred_on, CAST(NULL AS TIMESTAMP) AS local_at, o.source, CAST(NULL AS VARCHAR) AS product_key,
    CAST(NULL AS VARCHAR) AS item_key, CAST(NULL AS VARCHAR) AS brand, CAST(NULL AS VARCHAR) AS department,
    CAST(NULL AS VARCHAR) AS category, CAST(NULL AS VARCHAR) AS collection, CAST(NULL AS DATE) AS launched_on,
    CAST(NULL AS DECIMAL(18,8)) AS quantity, o.amount, CAST(NULL AS BOOLEAN) AS is_markdown,
    coalesce(g.name, o.campaign_key) AS campaign, o.channel, CAST(NULL AS VARCHAR) AS subject,
    CAST(NULL AS VARCHAR) AS text, CAST(NULL AS DOUBLE) AS score, o.order_key,
    o.store_key, o.coupon_codes
FROM money_given_back AS o
LEFT JOIN activity_people AS r ON r.person_no = o.person_no
LEFT JOIN activity_campaigns AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.given_back_on >= $since
