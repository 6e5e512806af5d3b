-- One row per time a person said yes or no to marketing in a channel, otherwise than before.
SELECT
    r.profile_id, c.person_no, CASE WHEN c.granted THEN 'consent_given' ELSE 'consent_withdrawn' END AS name, 'consents' AS told_by,
    c.recorded_at AS occurred_at, c.recorded_on AS occurred_on, CAST(NULL AS TIMESTAMP) AS local_at, c.source,
    CAST(NULL AS VARCHAR) AS product_key, CAST(NULL AS VARCHAR) AS item_key, CAST(NULL AS VARCHAR) AS brand,
    CAST(NULL AS VARCHAR) AS department, CAST(NULL AS VARCHAR) AS category, CAST(NULL AS VARCHAR) AS collection,
    CAST(NULL AS DATE) AS launched_on, CAST(NULL AS DECIMAL(18,8)) AS quantity, CAST(NULL AS DECIMAL(18,4)) AS amount,
    CAST(NULL AS BOOLEAN) AS is_markdown, CAST(NULL AS VARCHAR) AS campaign, c.channel,
    CAST(NULL AS VARCHAR) AS subject, CAST(NULL AS VARCHAR) AS text, CAST(NULL AS DOUBLE) AS score,
    CAST(NULL AS VARCHAR) AS order_key, CAST(NULL AS VARCHAR) AS store_key, CAST(NULL AS VARCHAR[]) AS coupon_codes
FROM consent_changes AS c
LEFT JOIN activity_people AS r ON r.person_no = c.person_no
WHERE c.recorded_on >= $since
