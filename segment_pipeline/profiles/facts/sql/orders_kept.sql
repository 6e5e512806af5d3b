-- One row per paid order that something was given back of, and per exchange: its spend, what it sold less the money paid back for goods,
-- at most as much, converted once at the rate of its own day (NULL: no rate), and whether goods of some worth are kept.
SELECT
    o.source, o.order_key,
    CASE
        WHEN o.sold <= 0 OR coalesce(b.money, 0) <= 0 THEN coalesce(CAST(o.sold * o.rate AS DECIMAL(18,4)), o.net_base)
        ELSE CAST((o.sold - least(b.money, o.sold)) * o.rate AS DECIMAL(18,4))
    END AS spend,
    o.sold > 0 AS is_worth,
    CASE WHEN k.order_key IS NULL THEN o.sold > coalesce(b.goods, 0) ELSE k.net > 0 END AS is_kept
FROM orders_given_back AS o
LEFT JOIN (
    SELECT source, order_key, sum(money) AS money, sum(goods) AS goods FROM give_backs_of_lines GROUP BY source, order_key
) AS b ON b.source = o.source AND b.order_key = o.order_key
LEFT JOIN (
    SELECT source, order_key, sum(net) AS net FROM lines_kept GROUP BY source, order_key
) AS k ON k.source = o.source AND k.order_key = o.order_key
