-- One row per line of a usable version of an order; returned lines have negative amounts and line numbers of their own.
-- A line's total holds tax and service charges, whether prices include tax or not: net is what is left without them.
WITH lines AS (
  SELECT key, updated_at, currency, '' AS prefix, 1 AS sign, unnest(r.line_items) AS l FROM usable
  UNION ALL
  SELECT key, updated_at, currency, 'return:' AS prefix, -1 AS sign, unnest(returned) AS l FROM usable
),
amounts AS (
  SELECT
    x.*,
    CAST(coalesce(u.value, '0.01') AS DECIMAL(4,3)) AS unit,
    x.l.total_money.amount - coalesce(x.l.total_tax_money.amount, 0) - coalesce(x.l.total_service_charge_money.amount, 0) AS net,
    coalesce(x.l.total_discount_money.amount, 0) AS discount
  FROM lines AS x
  LEFT JOIN minor_units AS u ON u.key = x.currency
)
SELECT
  key,
  updated_at,
  prefix || l.uid AS line_number,
  nullif(l.catalog_object_id, '') AS product_key,
  TRY_CAST(l.quantity AS DECIMAL(18,8)) AS quantity,
  coalesce(l.item_type = 'GIFT_CARD', FALSE) AS is_gift_card,
  CAST(sign * (net + discount) * unit AS DECIMAL(18,4)) AS gross,
  CAST(sign * discount * unit AS DECIMAL(18,4)) AS discount,
  CAST(sign * net * unit AS DECIMAL(18,4)) AS net,
  discount > 0 AS is_markdown
FROM amounts
