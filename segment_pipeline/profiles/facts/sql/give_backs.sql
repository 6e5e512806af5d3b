-- One row per thing given back that names its order, in the order's currency: refunds, and what returns and exchanges give back.
-- `goods`: net of the goods, `money`: what was paid back for goods.
SELECT
    source, order_key, line_number, CAST(NULL AS VARCHAR) AS product_key, quantity, goods, amount AS money, FALSE AS holds_tax,
    refunded_at AS given_back_at, refunded_on AS given_back_on
FROM refunds_as_of
WHERE order_key IS NOT NULL
UNION ALL
SELECT source, parent_order_key, parent_line_number, product_key, quantity, amount, amount, holds_tax,
    ordered_at, ordered_on
FROM goods_returned
WHERE parent_order_key IS NOT NULL
