-- One row per line of a usable version of an order, whatever it is of, tax off where prices include it.
-- `quantity`: units sold; those that an edit took off without a refund were not, and `removed` says what they were worth.
-- A tip is a line without a product like any free text: the order's tips tell them apart, or else how it is called. Lines called a tip
-- come first, as far as the tips reach. Others are tips where, added up, they come to just what is left of them: a line of that very
-- amount, else from the smallest on; a line with a SKU, whose product was deleted, only where those without come to no such sum.
WITH lines AS (
  SELECT key, updated_at, unnest(r.lineItems.nodes) AS l FROM usable
),
told AS (
  SELECT
    key,
    updated_at,
    list_aggregate(string_split(l.id, '/'), 'last') AS line_number,
    nullif(l.product.legacyResourceId, '') AS product_key,
    coalesce(trim(l.sku), '') <> '' AS has_sku,
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
    CASE WHEN o.taxes_included THEN t.original - t.tax ELSE t.original END AS untaxed,
    greatest(t.ordered - coalesce(t.standing, t.ordered) - coalesce(b.units, 0), 0) AS taken_off
  FROM told AS t
  INNER JOIN usable AS o ON o.key = t.key AND o.updated_at = t.updated_at
  LEFT JOIN refunded AS b ON b.key = t.key AND b.updated_at = t.updated_at AND b.line_number = t.line_number
),
called AS (
  SELECT
    key, updated_at, line_number, original, has_sku, tips, tip_by_name,
    tip_by_name AND (tips IS NULL OR tips >= sum(CASE WHEN tip_by_name THEN original ELSE 0 END) OVER (
      PARTITION BY key, updated_at ORDER BY CASE WHEN original = tips THEN 0 ELSE 1 END, original, line_number
    )) AS is_called
  FROM weighed
  WHERE product_key IS NULL AND NOT is_gift_card AND original > 0 AND (tips IS NULL OR tips > 0)
),
left_over AS (
  SELECT *, tips - sum(CASE WHEN is_called THEN original ELSE 0 END) OVER (PARTITION BY key, updated_at) AS remaining FROM called
),
added AS (
  SELECT
    *,
    sum(CASE WHEN has_sku THEN 0 ELSE original END) OVER (
      PARTITION BY key, updated_at ORDER BY CASE WHEN original = remaining THEN 0 ELSE 1 END, original, line_number DESC
    ) AS bare,
    sum(original) OVER (
      PARTITION BY key, updated_at ORDER BY CASE WHEN original = remaining THEN 0 ELSE 1 END, original, line_number DESC
    ) AS whole
  FROM left_over
  WHERE NOT tip_by_name
),
summed AS (
  SELECT
    *,
    max(CASE WHEN bare = remaining THEN 1 ELSE 0 END) OVER (PARTITION BY key, updated_at) AS bare_do,
    max(CASE WHEN whole = remaining THEN 1 ELSE 0 END) OVER (PARTITION BY key, updated_at) AS whole_do
  FROM added
),
tip_lines AS (
  SELECT key, updated_at, line_number FROM called WHERE is_called
  UNION ALL
  SELECT key, updated_at, line_number
  FROM summed
  WHERE remaining > 0 AND CASE WHEN bare_do = 1 THEN NOT has_sku AND bare <= remaining ELSE whole_do = 1 AND whole <= remaining END
)
SELECT
  w.key, w.updated_at, w.line_number, product_key, is_gift_card, is_markdown,
  p.line_number IS NOT NULL AS is_tip,
  CAST(ordered - taken_off AS DECIMAL(18,8)) AS quantity,
  CASE WHEN taken_off = 0 THEN untaxed ELSE CAST(untaxed * (ordered - taken_off) / ordered AS DECIMAL(18,4)) END AS gross,
  CASE WHEN taken_off = 0 THEN discount ELSE CAST(discount * (ordered - taken_off) / ordered AS DECIMAL(18,4)) END AS discount,
  CASE WHEN taken_off = 0 THEN tax ELSE CAST(tax * (ordered - taken_off) / ordered AS DECIMAL(18,4)) END AS tax,
  CASE WHEN taken_off = 0 THEN 0 ELSE CAST((untaxed - discount) * taken_off / ordered AS DECIMAL(18,4)) END AS removed
FROM weighed AS w
LEFT JOIN tip_lines AS p ON p.key = w.key AND p.updated_at = w.updated_at AND p.line_number = w.line_number
