-- One row per event: sessions of one to nine events, of one device each. Seven in ten sessions of people with an account in
-- the shop are logged in after the first event, the rest stay anonymous; kiosks in stores are used by many.
SELECT
    'amplitude' AS source,
    'e' || session_no || '-' || i AS event_key,
    name,
    at_second(d, second + i * 40) AS occurred_at,
    on_day(d) AS occurred_on,
    CASE WHEN pick(s, 30, 10) > 0 THEN at_second(d, second + i * 40 - 18000) AT TIME ZONE 'UTC' END AS local_at,
    at_second(d, second + i * 40 + 2) AS received_at,
    anonymous_id,
    CASE WHEN logged_in AND i > 0 THEN shop_key(p) END AS customer_key,
    CAST(NULL AS VARCHAR) AS email,
    CAST(session_no AS VARCHAR) AS session_key,
    CASE WHEN name IN ('product_viewed', 'cart_added') THEN product_key('shopify', q) END AS product_key,
    CASE WHEN name IN ('product_viewed', 'cart_added', 'category_viewed') THEN category(q) END AS category,
    CASE WHEN name IN ('product_viewed', 'cart_added') THEN collection(q) END AS collection,
    CASE WHEN pick(s, 34, 3) = 0 THEN 40.0 + pick(t, 30, 100) / 20.0 END AS lat,
    CASE WHEN pick(s, 34, 3) = 0 THEN -90.0 + pick(t, 37, 100) / 10.0 END AS lon,
    country_of(t) AS country,
    CASE WHEN tagged THEN list_extract(['search', 'social', 'newsletter'], 1 + pick(s, 36, 3)) END AS utm_source,
    CASE WHEN tagged THEN list_extract(['cpc', 'post', 'email'], 1 + pick(s, 36, 3)) END AS utm_medium,
    CASE WHEN tagged THEN 'K' || pick(s, 38, 20) END AS utm_campaign,
    CASE name
        WHEN 'social_engaged' THEN CASE WHEN pick(e, 8, 2) = 0 THEN 'photos' ELSE 'videos' END
        WHEN 'content_viewed' THEN 'topic ' || pick(e, 8, 30)
    END AS subject,
    CASE name
        WHEN 'search' THEN lower(category(q))
        WHEN 'visit' THEN '/' || pick(s, 40, 40)
        WHEN 'social_engaged' THEN CASE WHEN pick(e, 8, 2) = 0 THEN 'liked' ELSE 'shared' END
    END AS text,
    CASE name
        WHEN 'search' THEN '{"query":"' || lower(category(q)) || '"}'
        WHEN 'visit' THEN '{"landing_page":"/' || pick(s, 40, 40) || '","platform":"web"}'
        WHEN 'social_engaged' THEN CASE WHEN pick(e, 8, 2) = 0 THEN '{"network":"photos","action":"liked"}' ELSE '{"network":"videos","action":"shared"}' END
        WHEN 'content_viewed' THEN '{"topic":"topic ' || pick(e, 8, 30) || '"}'
        ELSE '{"platform":"web"}'
    END AS properties,
    on_day(d) AS day
FROM (
    SELECT *,
        pick(s, 42, 5) = 0 AND i = 0 AS tagged,
        chosen_product(draw('seen', session_no, i), t, d) AS q,
        CASE
            WHEN i = 0 THEN 'visit'
            WHEN i = 1 AND logged_in AND pick(s, 45, 3) = 0 THEN 'login'
            WHEN pick(e, 0, 100) < 50 THEN 'product_viewed'
            WHEN pick(e, 0, 100) < 68 THEN 'category_viewed'
            WHEN pick(e, 0, 100) < 76 THEN 'search'
            WHEN pick(e, 0, 100) < 84 THEN 'cart_added'
            WHEN pick(e, 0, 100) < 87 THEN 'checkout_started'
            WHEN pick(e, 0, 100) < 89 THEN 'order_completed'
            WHEN pick(e, 0, 100) < 95 THEN 'content_viewed'
            ELSE 'social_engaged'
        END AS name
    FROM (
        SELECT *, draw('event', session_no, i) AS e
        FROM (
            SELECT *,
                CASE WHEN in_shop(t) AND pick(s, 12, 2000) = 0 THEN 'kiosk-' || pick(s, 16, 20)
                    ELSE device_of(p, CASE WHEN pick(s, 4, 10) < 7 THEN 0 ELSE 1 END)
                END AS anonymous_id,
                in_shop(t) AND pick(s, 10, 10) < 7 AS logged_in,
                pick(s, 20, 82800) AS second,
                unnest(range(1 + pick(s, 8, 9))) AS i
            FROM (
                SELECT d, d * 100000000 + k AS session_no, draw('session', d, k) AS s, p, traits_of(p) AS t
                FROM (
                    SELECT d, k, somebody(draw('visitor', d, k), draw('visitors', d, k)) AS p
                    FROM (
                        SELECT d, unnest(range(CAST(getvariable('sessions_a_day') * (0.8 + 0.1 * (d % 5)) AS BIGINT))) AS k
                        FROM range(getvariable('from_day'), getvariable('to_day')) AS days(d)
                    )
                )
                WHERE p < getvariable('people')
            )
            -- Few of those the till alone knows are seen on the web.
            WHERE is_active(t, d) AND (in_shop(t) OR is_guest(t) OR p % 20 = 0)
        )
    )
)
