-- One row per line of a usable version of an order, gift cards included; lines that came in further answers too.
-- Those have their fields in the order of the record's: not every engine unites structs by name.
-- Allocations hold every discount of a line, codes for the whole order included; what is left of the total is net.
WITH further AS (
  SELECT
    json_extract_string(record, '$.data.order.id') AS id,
    unnest(from_json(json_extract(record, '$.data.order.lineItems.nodes'), '[{
      "id": "VARCHAR", "product": {"legacyResourceId": "VARCHAR"}, "originalTotalSet": {"shopMoney": {"amount": "VARCHAR"}},
      "discountAllocations": [{"allocatedAmountSet": {"shopMoney": {"amount": "VARCHAR"}}, "discountApplication": {"__typename": "VARCHAR"}}],
      "quantity": "BIGINT", "isGiftCard": "BOOLEAN"
    }]')) AS l
  FROM raw_more_lines
),
lines AS (
  SELECT key, updated_at, unnest(r.lineItems.nodes) AS l FROM usable
  UNION ALL
  SELECT o.key, o.updated_at, f.l FROM usable AS o INNER JOIN further AS f ON f.id = o.r.id
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
