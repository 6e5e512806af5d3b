-- One row per cart of the shop: of those who bring it, three in five are left standing.
SELECT
    'shopify' AS source,
    'B' || cart_no AS cart_key,
    at_second(d, second + 600) AS updated_at,
    CASE WHEN in_shop(t) AND pick(c, 4, 4) > 0 THEN shop_key(p) END AS customer_key,
    email_of(p, t) AS email,
    CAST(NULL AS VARCHAR) AS phone,
    device_of(p, 0) AS anonymous_id,
    at_second(d, second) AS created_at,
    CASE WHEN pick(c, 8, 5) < 2 THEN at_second(d, second + 600) END AS completed_at,
    money(list_cents(q) + list_cents(r)) AS value,
    'USD' AS currency,
    [product_key('shopify', q), product_key('shopify', r)] AS product_keys,
    '[{"product_key":"' || product_key('shopify', q) || '","quantity":1,"title":"Product ' || q || '"},{"product_key":"'
        || product_key('shopify', r) || '","quantity":1,"title":"Product ' || r || '"}]' AS lines,
    on_day(d) AS day
FROM (
    SELECT *, traits_of(p) AS t, draw('cart', d, cart_no) AS c, 28800 + pick(draw('cart', d, cart_no), 20, 46800) AS second,
        chosen_product(draw('put', cart_no, 0), traits_of(p), d) AS q,
        chosen_product(draw('put', cart_no, 1), traits_of(p), d) AS r
    FROM (
        SELECT d, d * 100000000 + k AS cart_no, somebody(draw('carter', d, k), draw('carters', d, k)) AS p
        FROM (
            SELECT d, unnest(range(CAST(getvariable('carts_a_day') AS BIGINT))) AS k
            FROM range(getvariable('from_day'), getvariable('to_day')) AS days(d)
        )
    )
    WHERE p < getvariable('people')
)
WHERE is_active(t, d) AND (in_shop(t) OR is_guest(t))
