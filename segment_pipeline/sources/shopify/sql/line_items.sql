-- One row per line of a usable version of an order, whatever it is of, tax off where prices include it.
-- `quantity`: units sold; those that an edit took off without a refund were not, and `removed` says what they were worth.
-- A tip is a line without a product like any free text: the order's tips tell them apart, or else how it is called.
WITH lines AS (
  SELECT key, updated_at, unnest(r.lineItems.nodes) AS l FROM usable
),
told AS (
  SELECT
    key,
    updated_at,
    list_aggregate(string_split(l.id, '/'), 'last') AS line_number,
    nullif(l.product.legacyResourceId, '') AS product_key,
    coalesce(lower(trim(l.title)) IN ('tip', 'tips', 'gratuity', 'trinkgeld', 'pourboire', 'propina', 'gorjeta', 'mancia', 'fooi', 'dricks'), FALSE) AS tip_by_name,
    l.quantity AS ordered,
    l.currentQuantity AS standing,
    coalesce(l.isGiftCard, FALSE) AS is_gift_card,
    CAST(l.originalTotalSet.shopMoney.amount AS DECIMAL(18,4)) AS original,
    CAST(coalesce(list_aggregate(
      list_transform(l.discountAllocations, LAMBDA a: TRY_CAST(a.allocatedAmountSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'
    ), 0) AS DECIMAL(18,4)) AS discount,
    CAST(coalesce(list_aggregate(
      list_transform(l.taxLines, LAMBDA a: TRY_CAST(a.priceSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'
    ), 0) AS DECIMAL(18,4)) AS tax,
    coalesce(len(list_filter(l.discountAllocations, LAMBDA a: a.discountApplication.__typename = 'AutomaticDiscountApplication')) > 0, FALSE) AS is_markdown
  FROM lines
),
refunded AS (
  SELECT key, updated_at, list_aggregate(string_split(i.lineItem.id, '/'), 'last') AS line_number, sum(i.quantity) AS units
  FROM (
    SELECT key, updated_at, unnest(f.refundLineItems.nodes) AS i
    FROM (SELECT key, updated_at, unnest(r.refunds) AS f FROM usable)
  )
  GROUP BY ALL
),
weighed AS (
  SELECT
    t.*,
    o.tips,
    sum(CASE WHEN t.product_key IS NULL AND NOT t.is_gift_card THEN t.original ELSE 0 END) OVER (PARTITION BY t.key, t.updated_at) AS without_product,
    CASE WHEN o.taxes_included THEN t.original - t.tax ELSE t.original END AS untaxed,
    greatest(t.ordered - coalesce(t.standing, t.ordered) - coalesce(b.units, 0), 0) AS taken_off
  FROM told AS t
  INNER JOIN usable AS o ON o.key = t.key AND o.updated_at = t.updated_at
  LEFT JOIN refunded AS b ON b.key = t.key AND b.updated_at = t.updated_at AND b.line_number = t.line_number
)
SELECT
  key, updated_at, line_number, product_key, is_gift_card, is_markdown,
  product_key IS NULL AND NOT is_gift_card AND CASE
    WHEN tips IS NULL THEN tip_by_name
    ELSE tips > 0 AND (without_product = tips OR original = tips OR tip_by_name)
  END AS is_tip,
  CAST(ordered - taken_off AS DECIMAL(18,8)) AS quantity,
  CASE WHEN taken_off = 0 THEN untaxed ELSE CAST(untaxed * (ordered - taken_off) / ordered AS DECIMAL(18,4)) END AS gross,
  CASE WHEN taken_off = 0 THEN discount ELSE CAST(discount * (ordered - taken_off) / ordered AS DECIMAL(18,4)) END AS discount,
  CASE WHEN taken_off = 0 THEN tax ELSE CAST(tax * (ordered - taken_off) / ordered AS DECIMAL(18,4)) END AS tax,
  CASE WHEN taken_off = 0 THEN 0 ELSE CAST((untaxed - discount) * taken_off / ordered AS DECIMAL(18,4)) END AS removed
FROM weighed
