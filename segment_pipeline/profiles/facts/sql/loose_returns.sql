-- One row per thing of a person given back that names no order: it lowers spend, and what was spent on its product, on its own day.
SELECT source, order_key, person_no, ordered_at, ordered_on, product_key, product_no, quantity, CAST(-amount_base AS DECIMAL(18,4)) AS spend
FROM goods_returned
WHERE parent_no IS NULL AND person_no IS NOT NULL
