-- One row per paid order that something was given back of, and per exchange: what it sold and the rate it was converted with, NULL:
-- none. What names a test order, an open or cancelled one, or one that is not held, takes nothing off: that was never counted.
SELECT
    o.order_no, o.updated_at, o.net_base,
    coalesce(x.sold, o.net) AS sold,
    coalesce(o.tax, 0) AS tax,
    -- A digit wider than stored, as landing has it: what two decimals of 18 digits make is 18 digits to DuckDB.
    CAST(CASE WHEN o.net_base IS NULL THEN NULL WHEN o.rate_day IS NULL THEN 1 ELSE r.rate END AS DECIMAL(19,8)) AS rate
FROM owned_orders AS o
JOIN (SELECT order_no FROM give_backs UNION SELECT order_no FROM exchanged) AS g ON g.order_no = o.order_no
LEFT JOIN exchanged AS x ON x.order_no = o.order_no
LEFT JOIN rates AS r ON r.currency = o.currency AND r.rate_day = o.rate_day
WHERE o.is_paid AND o.kind IN ('sale', 'exchange')
