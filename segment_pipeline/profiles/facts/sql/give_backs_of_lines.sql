-- One row per thing given back of those orders, with what it is of: the line it names, else the lines of its product, else the order as a
-- whole. Tax that an amount holds is taken out in the ratio of the line's, or else the order's.
SELECT
    g.order_no, n.line_number,
    CASE WHEN n.line_number IS NULL THEN p.product_no END AS product_no,
    g.quantity, g.given_back_at, g.given_back_on,
    CASE
        WHEN NOT g.holds_tax THEN g.goods
        WHEN n.tax > 0 THEN CAST(CAST(g.goods AS DECIMAL(19,4)) * n.net / (n.net + n.tax) AS DECIMAL(18,4))
        WHEN n.line_number IS NULL AND o.tax > 0 THEN CAST(CAST(g.goods AS DECIMAL(19,4)) * o.sold / (o.sold + o.tax) AS DECIMAL(18,4))
        ELSE g.goods
    END AS goods,
    CASE
        WHEN NOT g.holds_tax THEN g.money
        WHEN n.tax > 0 THEN CAST(CAST(g.money AS DECIMAL(19,4)) * n.net / (n.net + n.tax) AS DECIMAL(18,4))
        WHEN n.line_number IS NULL AND o.tax > 0 THEN CAST(CAST(g.money AS DECIMAL(19,4)) * o.sold / (o.sold + o.tax) AS DECIMAL(18,4))
        ELSE g.money
    END AS money
FROM give_backs AS g
JOIN orders_given_back AS o ON o.order_no = g.order_no
LEFT JOIN lines_given_back AS n ON n.order_no = g.order_no AND n.line_number = g.line_number
LEFT JOIN (SELECT DISTINCT order_no, product_no FROM lines_given_back WHERE product_no IS NOT NULL) AS p
    ON p.order_no = g.order_no AND p.product_no = g.product_no
