-- One row per person's order and instant at which money for goods of it was given back, and per return that names no order (`order_key`
-- NULL): what that takes off their spend, so never more than the order's in all, at the rate of the order's day; NULL: no rate.
-- Channel, store, coupons and campaign are the order's.
WITH paid AS (
    SELECT order_no, given_back_at, max(given_back_on) AS given_back_on, CAST(sum(money) AS DECIMAL(18,4)) AS money
    FROM give_backs_of_lines
    GROUP BY order_no, given_back_at
),
so_far AS (
    SELECT *, CAST(sum(money) OVER (PARTITION BY order_no ORDER BY given_back_at) AS DECIMAL(18,4)) AS total
    FROM paid
)
SELECT
    o.source, o.order_no, o.order_key, o.person_no, p.given_back_at, p.given_back_on,
    CAST(CAST(least(p.total, k.sold) - least(p.total - p.money, k.sold) AS DECIMAL(18,4)) * k.rate AS DECIMAL(18,4)) AS amount,
    o.channel, o.store_key, o.coupon_codes, o.campaign_key
FROM paid_orders AS o
-- Few on the right side, which is held in memory where joins go as they are written.
JOIN orders_given_back AS k ON k.order_no = o.order_no
JOIN so_far AS p ON p.order_no = o.order_no
WHERE least(p.total, k.sold) > least(p.total - p.money, k.sold)
UNION ALL
SELECT
    source, CAST(NULL AS BIGINT), CAST(NULL AS VARCHAR), person_no, ordered_at, ordered_on, CAST(-sum(spend) AS DECIMAL(18,4)),
    CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR[]), CAST(NULL AS VARCHAR)
FROM loose_returns
GROUP BY source, order_key, person_no, ordered_at, ordered_on
HAVING coalesce(sum(spend), -1) < 0
