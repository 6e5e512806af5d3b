-- One row per line of an order of these days; what is the order's own stands on each of its lines.
CREATE OR REPLACE TEMP TABLE made_lines AS
SELECT *, draw('line', order_no, line_no) AS l, chosen_product(draw('bought', order_no, line_no), t, d) AS q
FROM (
    SELECT *, unnest(range(1, 2 + pick(o, 20, 3) + CASE WHEN pick(o, 24, 2) = 0 THEN pick(o, 25, 4) ELSE 0 END)) AS line_no
    FROM (
        SELECT *,
            CASE WHEN at_till(t) AND (NOT in_shop(t) OR pick(o, 3, 2) = 0) THEN 'square' ELSE 'shopify' END AS source,
            -- Till receipts and shop orders alike are made between 8 and 21 o'clock.
            28800 + pick(o, 32, 46800) AS second
        FROM (
            SELECT d, d * 100000000 + k AS order_no, draw('order', d, k) AS o, p, traits_of(p) AS t
            FROM (
                SELECT d, k, somebody(draw('buyer', d, k), draw('crowd', d, k)) AS p
                FROM (
                    SELECT d, unnest(range(CAST(getvariable('orders_a_day') * (0.8 + 0.1 * (d % 5)) AS BIGINT))) AS k
                    FROM range(getvariable('from_day'), getvariable('to_day')) AS days(d)
                )
            )
            WHERE p < getvariable('people')
        )
        WHERE is_active(t, d)
    )
)
