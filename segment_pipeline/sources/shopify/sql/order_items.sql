-- One row per line of a usable version of an order, gift cards included.
-- Allocations hold every discount of a line, codes for the whole order included; what is left of the total is net.
WITH lines AS (
  SELECT key, updated_at, unnest(r.lineItems.nodes) AS l FROM usable
),
amounts AS (
  SELECT
    *,
    CAST(l.originalTotalSet.shopMoney.amount AS DECIMAL(18,4)) AS gross,
    CAST(coalesce(list_aggregate(
      list_transform(l.discountAllocations, LAMBDA a: TRY_CAST(a.allocatedAmountSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'
    ), 0) AS DECIMAL(18,4)) AS discount
  FROM lines
)
SELECT DISTINCT
  key,
  updated_at,
  list_aggregate(string_split(l.id, '/'), 'last') AS line_number,
  nullif(l.product.legacyResourceId, '') AS product_key,
  CAST(l.quantity AS DECIMAL(18,8)) AS quantity,
  coalesce(l.isGiftCard, FALSE) AS is_gift_card,
  gross,
  discount,
  CAST(gross - discount AS DECIMAL(18,4)) AS net,
  coalesce(len(list_filter(l.discountAllocations, LAMBDA a: a.discountApplication.__typename = 'AutomaticDiscountApplication')) > 0, FALSE) AS is_markdown
FROM amounts
