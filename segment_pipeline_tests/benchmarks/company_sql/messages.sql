-- One row per thing that happened to a message to somebody with an account in the shop, or, by address, to a guest.
SELECT
    'amplitude' AS source,
    'm' || message_no AS message_key,
    'K' || pick(m, 2, 20) AS campaign_key,
    CASE WHEN pick(m, 8, 10) < 8 THEN 'email' ELSE 'sms' END AS channel,
    CASE
        WHEN pick(m, 12, 1000) < 400 THEN 'sent'
        WHEN pick(m, 12, 1000) < 760 THEN 'delivered'
        WHEN pick(m, 12, 1000) < 900 THEN 'opened'
        WHEN pick(m, 12, 1000) < 950 THEN 'clicked'
        WHEN pick(m, 12, 1000) < 970 THEN 'responded'
        WHEN pick(m, 12, 1000) < 990 THEN 'bounced'
        WHEN pick(m, 12, 1000) < 998 THEN 'unsubscribed'
        ELSE 'complained'
    END AS type,
    at_second(d, pick(m, 24, 86000)) AS occurred_at,
    on_day(d) AS occurred_on,
    at_second(d, pick(m, 24, 86000) + 5) AS received_at,
    CASE WHEN in_shop(t) THEN shop_key(p) END AS customer_key,
    CAST(NULL AS VARCHAR) AS anonymous_id,
    CASE WHEN NOT in_shop(t) THEN email_of(p, t) END AS email,
    CAST(NULL AS VARCHAR) AS phone,
    on_day(d) AS day
FROM (
    SELECT *, traits_of(p) AS t, draw('message', d, message_no) AS m
    FROM (
        SELECT d, d * 100000000 + k AS message_no, somebody(draw('reader', d, k), draw('readers', d, k)) AS p
        FROM (
            SELECT d, unnest(range(CAST(getvariable('messages_a_day') AS BIGINT))) AS k
            FROM range(getvariable('from_day'), getvariable('to_day')) AS days(d)
        )
    )
    WHERE p < getvariable('people')
)
WHERE in_shop(t) OR is_guest(t)
