-- One row per version of an order; 6 % of those of the shop were open before they were completed.
SELECT
    source,
    CASE source WHEN 'square' THEN 'T' || order_no ELSE CAST(5000000000000 + order_no AS VARCHAR) END AS order_key,
    at_second(d, second + version * 7200) AS updated_at,
    'sale' AS kind,
    CAST(NULL AS VARCHAR) AS parent_order_key,
    CASE WHEN named AND source = 'square' THEN till_key(p) WHEN named THEN shop_key(p) END AS customer_key,
    CASE
        WHEN source = 'shopify' AND NOT named AND pick(o, 28, 100) = 0 THEN 'x' || email_of(p, t)
        WHEN source = 'shopify' THEN email_of(p, t)
        WHEN pick(o, 28, 300) = 0 THEN 'noreply@tills.example'
    END AS email,
    CASE
        WHEN source = 'shopify' AND pick(o, 36, 100) < 35 THEN phone_of(p, t)
        WHEN source = 'square' AND pick(o, 36, 300) = 0 THEN '+12025550123'
    END AS phone,
    CASE WHEN source = 'shopify' AND pick(o, 40, 100) < 60 THEN device_of(p, CASE WHEN pick(o, 44, 10) < 7 THEN 0 ELSE 1 END) END AS anonymous_id,
    CASE WHEN source = 'square' THEN 'store' WHEN pick(o, 48, 4) = 0 THEN 'app' ELSE 'web' END AS channel,
    CASE source WHEN 'square' THEN 'S' || ((p // 3 + pick(o, 50, 2)) % 200) END AS store_key,
    at_second(d, second) AS ordered_at,
    on_day(d) AS ordered_on,
    at_second(d, second - 18000) AT TIME ZONE 'UTC' AS local_at,
    CASE WHEN version = 0 AND revised THEN 'open' WHEN pick(o, 52, 100) = 0 THEN 'cancelled' ELSE 'completed' END AS status,
    CASE WHEN foreign_money THEN 'EUR' ELSE 'USD' END AS currency,
    CAST(gross AS DECIMAL(18,4)) AS gross,
    CAST(discount AS DECIMAL(18,4)) AS discount,
    CAST(gross - discount AS DECIMAL(18,4)) AS net,
    CAST((gross - discount) * CASE WHEN foreign_money THEN 1.08 ELSE 1.00 END AS DECIMAL(18,4)) AS net_base,
    CAST(CASE WHEN pick(o, 54, 200) = 0 THEN 25 ELSE 0 END AS DECIMAL(18,4)) AS gift_card_sold,
    CASE WHEN foreign_money THEN on_day(d) END AS rate_day,
    CASE WHEN pick(o, 56, 10) = 0 THEN ['CODE' || pick(o, 58, 20)] ELSE CAST([] AS VARCHAR[]) END AS coupon_codes,
    CASE WHEN pick(o, 56, 10) = 0 THEN 'K' || pick(o, 58, 20) END AS campaign_key,
    at_second(d, second) AS created_at,
    on_day(d) AS day
FROM (
    SELECT *, unnest(CASE WHEN revised THEN [0, 1] ELSE [0] END) AS version
    FROM (
        SELECT
            source, order_no, d, p, t, o, second,
            -- One till receipt in ten names nobody; one shop order in twelve is made without logging in.
            CASE source WHEN 'square' THEN pick(o, 6, 10) > 0 ELSE in_shop(t) AND pick(o, 6, 12) > 0 END AS named,
            source = 'shopify' AND pick(o, 10, 100) < 6 AS revised,
            source = 'shopify' AND country_of(t) = 'DE' AS foreign_money,
            money(sum(cents)) AS gross,
            money(sum(off)) AS discount
        FROM (
            SELECT *, list_cents(q) * (1 + pick(l, 0, 2)) AS cents, CASE WHEN pick(l, 4, 5) = 0 THEN list_cents(q) // 4 ELSE 0 END AS off
            FROM made_lines
        )
        GROUP BY source, order_no, d, p, t, o, second
    )
)
