-- One row per thing given back that names its order, in the order's currency: refunds, and what returns and exchanges give back.
-- `goods`: net of the goods, `money`: what was paid back for goods.
SELECT
    order_no, line_number, CAST(NULL AS BIGINT) AS product_no, quantity, goods, amount AS money, FALSE AS holds_tax,
    refunded_at AS given_back_at, refunded_on AS given_back_on
FROM refunds_as_of
WHERE order_no IS NOT NULL
UNION ALL
SELECT parent_no, parent_line_number, product_no, quantity, amount, amount, holds_tax, ordered_at, ordered_on
FROM goods_returned
WHERE parent_no IS NOT NULL
