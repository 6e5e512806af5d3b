-- One row per paid order that something was given back of, and per exchange: its spend, what it sold less the money paid back for goods,
-- at most as much, converted once at the rate of its own day (NULL: no rate), and whether goods of some worth are kept.
SELECT
    o.order_no,
    CASE
        WHEN o.sold <= 0 OR coalesce(b.money, 0) <= 0 THEN coalesce(CAST(o.sold * o.rate AS DECIMAL(18,4)), o.net_base)
        ELSE CAST((o.sold - least(b.money, o.sold)) * o.rate AS DECIMAL(18,4))
    END AS spend,
    o.sold > 0 AS is_worth,
    CASE WHEN k.order_no IS NULL THEN o.sold > coalesce(b.goods, 0) ELSE k.net > 0 END AS is_kept
FROM orders_given_back AS o
LEFT JOIN (
    SELECT order_no, sum(money) AS money, sum(goods) AS goods FROM give_backs_of_lines GROUP BY order_no
) AS b ON b.order_no = o.order_no
LEFT JOIN (
    SELECT order_no, sum(net) AS net FROM lines_kept GROUP BY order_no
) AS k ON k.order_no = o.order_no
