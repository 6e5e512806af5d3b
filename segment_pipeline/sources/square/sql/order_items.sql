-- One row per line of a usable version of an order; returned lines have negative amounts and line numbers of their own.
-- A line's total holds tax and service charges, whether prices include tax or not: net is what is left without them.
SELECT
  o.key,
  o.updated_at,
  o.day,
  o.currency,
  o.business_on,
  x.line_number,
  nullif(x.product_key, '') AS product_key,
  x.quantity,
  x.is_gift_card,
  CAST(x.sign * (x.net + x.discount) * o.unit AS DECIMAL(18,4)) AS gross,
  CAST(x.sign * x.discount * o.unit AS DECIMAL(18,4)) AS discount,
  CAST(x.sign * x.net * o.unit AS DECIMAL(18,4)) AS net,
  x.discount > 0 AS is_markdown
FROM parsed AS o
INNER JOIN (
  SELECT key, updated_at, l.uid AS line_number, l.catalog_object_id AS product_key,
    TRY_CAST(l.quantity AS DECIMAL(18,8)) AS quantity, coalesce(l.item_type = 'GIFT_CARD', FALSE) AS is_gift_card, 1 AS sign,
    l.total_money.amount - coalesce(l.total_tax_money.amount, 0) - coalesce(l.total_service_charge_money.amount, 0) AS net,
    coalesce(l.total_discount_money.amount, 0) AS discount
  FROM (SELECT key, updated_at, unnest(lines) AS l FROM parsed WHERE reason IS NULL)
  UNION ALL
  SELECT key, updated_at, 'return:' || l.uid AS line_number, l.catalog_object_id AS product_key,
    TRY_CAST(l.quantity AS DECIMAL(18,8)) AS quantity, coalesce(l.item_type = 'GIFT_CARD', FALSE) AS is_gift_card, -1 AS sign,
    l.total_money.amount - coalesce(l.total_tax_money.amount, 0) - coalesce(l.total_service_charge_money.amount, 0) AS net,
    coalesce(l.total_discount_money.amount, 0) AS discount
  FROM (SELECT key, updated_at, unnest(returned) AS l FROM parsed WHERE reason IS NULL)
) AS x ON x.key = o.key AND x.updated_at = o.updated_at
WHERE o.reason IS NULL
