-- One row per line of a usable version of an order; returned lines have negative amounts and line numbers of their own, and say which
-- order and line they come from: each return of an order may be of another sale.
-- A line's total holds tax and service charges, whether prices include tax or not: net is what is left without them. What is given
-- back as an amount, of no line of goods, says no tax: its total holds it.
WITH returned_lines AS (
  SELECT
    key, updated_at, currency, x.source_order_id AS parent,
    CASE WHEN returns > 1 THEN coalesce(x.uid, x.source_order_id, '') || ':' ELSE '' END AS within,
    unnest(x.return_line_items) AS l
  FROM (SELECT key, updated_at, currency, len(r.returns) AS returns, unnest(r.returns) AS x FROM usable)
),
lines AS (
  SELECT key, updated_at, currency, '' AS prefix, 1 AS sign, CAST(NULL AS VARCHAR) AS parent, unnest(r.line_items) AS l FROM usable
  UNION ALL
  SELECT key, updated_at, currency, 'return:' || within AS prefix, -1 AS sign, parent, l FROM returned_lines
),
amounts AS (
  SELECT
    x.*,
    CAST(coalesce(u.value, '0.01') AS DECIMAL(5,4)) AS unit,
    coalesce(x.l.total_tax_money.amount, 0) + coalesce(x.l.total_service_charge_money.amount, 0) AS tax,
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
  CAST(sign * (l.total_money.amount - tax + discount) * unit AS DECIMAL(18,4)) AS gross,
  CAST(sign * discount * unit AS DECIMAL(18,4)) AS discount,
  CAST(sign * (l.total_money.amount - tax) * unit AS DECIMAL(18,4)) AS net,
  CASE
    WHEN sign = 1 OR tax <> 0 OR (l.total_tax_money.amount IS NOT NULL AND coalesce(l.item_type, 'ITEM') <> 'CUSTOM_AMOUNT')
      THEN CAST(sign * tax * unit AS DECIMAL(18,4))
  END AS tax,
  discount > 0 AS is_markdown,
  nullif(parent, '') AS parent_order_key,
  CASE WHEN sign = -1 THEN nullif(l.source_line_item_uid, '') END AS parent_line_number
FROM amounts
