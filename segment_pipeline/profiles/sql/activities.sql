-- One row per thing a person did: an order, a line of it, an event, an answer, something a message met with, a product left in a cart.
SELECT
    o.profile_id, 'order' AS name, o.ordered_at AS occurred_at, o.ordered_on AS occurred_on, o.local_at, o.source,
    CAST(NULL AS VARCHAR) AS product_key, CAST(NULL AS VARCHAR) AS item_key, CAST(NULL AS VARCHAR) AS brand,
    CAST(NULL AS VARCHAR) AS department, CAST(NULL AS VARCHAR) AS category, CAST(NULL AS VARCHAR) AS collection,
    CAST(NULL AS DATE) AS launched_on, CAST(NULL AS DECIMAL(18,8)) AS quantity, o.net_base AS amount,
    CAST(NULL AS BOOLEAN) AS is_markdown, coalesce(g.name, o.campaign_key) AS campaign, o.channel,
    CAST(NULL AS VARCHAR) AS subject, CAST(NULL AS VARCHAR) AS text, CAST(NULL AS DOUBLE) AS score, o.order_key
FROM sales AS o
LEFT JOIN campaigns_as_of AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.ordered_on >= $since
UNION ALL
SELECT
    o.profile_id, 'product_bought', o.ordered_at, o.ordered_on, o.local_at, o.source,
    l.product_key, coalesce(p.item_key, concat_ws(':', o.source, l.product_key)), p.brand, p.department, p.category, p.collection,
    p.launched_on, l.quantity, l.net_base, l.is_markdown, coalesce(g.name, o.campaign_key), o.channel,
    CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS DOUBLE), o.order_key
FROM sales AS o
JOIN numbered_lines AS l ON l.order_no = o.order_no
LEFT JOIN numbered_products AS p ON p.product_no = l.product_no
LEFT JOIN campaigns_as_of AS g ON g.source = o.source AND g.campaign_key = o.campaign_key
WHERE o.ordered_on >= $since
UNION ALL
SELECT
    x.profile_id, e.name, e.occurred_at, e.occurred_on, e.local_at, e.source,
    e.product_key, CASE WHEN e.product_key IS NOT NULL THEN coalesce(p.item_key, concat_ws(':', e.source, e.product_key)) END,
    p.brand, p.department, coalesce(p.category, e.category), coalesce(p.collection, e.collection), p.launched_on,
    CAST(NULL AS DECIMAL(18,8)), CAST(NULL AS DECIMAL(18,4)), CAST(NULL AS BOOLEAN), e.utm_campaign, CAST(NULL AS VARCHAR),
    CASE e.name
        WHEN 'social_engaged' THEN json_extract_string(e.properties, '$.network')
        WHEN 'content_viewed' THEN json_extract_string(e.properties, '$.topic')
    END,
    CASE e.name
        WHEN 'search' THEN json_extract_string(e.properties, '$.query')
        WHEN 'social_engaged' THEN json_extract_string(e.properties, '$.action')
        WHEN 'visit' THEN json_extract_string(e.properties, '$.landing_page')
    END,
    CAST(NULL AS DOUBLE), CAST(NULL AS VARCHAR)
FROM events AS e
JOIN contact_persons AS x
    ON x.source = e.source
    AND x.anonymous_id IS NOT DISTINCT FROM e.anonymous_id
    AND x.customer_key IS NOT DISTINCT FROM e.customer_key
    AND x.email IS NOT DISTINCT FROM e.email
LEFT JOIN key_spaces AS k ON k.source = e.source
LEFT JOIN products_as_of AS p ON p.source = coalesce(k.owner, e.source) AND p.product_key = e.product_key
WHERE e.occurred_on BETWEEN $since AND $as_of
    AND e.name NOT IN ('survey_answered', 'message_sent', 'message_delivered', 'message_opened', 'message_clicked', 'message_responded')
UNION ALL
SELECT
    x.profile_id, 'survey_answered', a.answered_at, a.answered_on, CAST(NULL AS TIMESTAMP), a.source,
    CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR),
    CAST(NULL AS VARCHAR), CAST(NULL AS DATE), CAST(NULL AS DECIMAL(18,8)), CAST(NULL AS DECIMAL(18,4)), CAST(NULL AS BOOLEAN),
    CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), a.question_key, a.answer, a.score, CAST(NULL AS VARCHAR)
FROM survey_answers AS a
JOIN contact_persons AS x
    ON x.source = a.source
    AND x.anonymous_id IS NOT DISTINCT FROM a.anonymous_id
    AND x.customer_key IS NOT DISTINCT FROM a.customer_key
    AND x.email IS NOT DISTINCT FROM a.email
WHERE a.answered_on BETWEEN $since AND $as_of
UNION ALL
SELECT
    x.profile_id, concat_ws('_', 'message', m.type), m.occurred_at, m.occurred_on, CAST(NULL AS TIMESTAMP), m.source,
    CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR),
    CAST(NULL AS VARCHAR), CAST(NULL AS DATE), CAST(NULL AS DECIMAL(18,8)), CAST(NULL AS DECIMAL(18,4)), CAST(NULL AS BOOLEAN),
    coalesce(g.name, m.campaign_key), m.channel, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS DOUBLE), CAST(NULL AS VARCHAR)
FROM messages AS m
JOIN contact_persons AS x
    ON x.source = m.source
    AND x.anonymous_id IS NOT DISTINCT FROM m.anonymous_id
    AND x.customer_key IS NOT DISTINCT FROM m.customer_key
    AND x.email IS NOT DISTINCT FROM m.email
LEFT JOIN campaigns_as_of AS g ON g.source = m.source AND g.campaign_key = m.campaign_key
WHERE m.occurred_on BETWEEN $since AND $as_of
UNION ALL
SELECT
    c.profile_id, 'cart_abandoned', c.created_at, c.created_on, CAST(NULL AS TIMESTAMP), c.source,
    c.product_key, coalesce(p.item_key, concat_ws(':', c.source, c.product_key)), p.brand, p.department, p.category, p.collection, p.launched_on,
    CAST(NULL AS DECIMAL(18,8)), CAST(NULL AS DECIMAL(18,4)), CAST(NULL AS BOOLEAN), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR),
    CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS DOUBLE), CAST(NULL AS VARCHAR)
FROM cart_products AS c
LEFT JOIN products_as_of AS p ON p.source = c.source AND p.product_key = c.product_key
WHERE c.created_on >= $since
