-- One row per line of goods given back in a refund, and one per refund for money that names no line, in each version of their order.
-- `amount`: what was paid back for goods: postage, duties, tips, gift cards and tax of what was paid are not of it. Where nothing was
-- paid, as when an edit takes a line off, the goods count with their net; money without lines first pays what edits took off, whichever
-- of the two was told first.
-- In the base currency at the rate of the order's day, so that a full refund takes back what was counted.
WITH refunds AS (
  SELECT
    o.key, o.updated_at, o.day, o.currency, o.rate, o.taxes_included, f.legacyResourceId AS refund,
    coalesce(
      CASE WHEN TRY_CAST(f.processedAt AS TIMESTAMPTZ) BETWEEN TIMESTAMPTZ '0001-01-02' AND TIMESTAMPTZ '9999-12-30' THEN TRY_CAST(f.processedAt AS TIMESTAMPTZ) END,
      TRY_CAST(f.createdAt AS TIMESTAMPTZ)
    ) AS refunded_at,
    f.refundLineItems.nodes AS items,
    CAST(f.totalRefundedSet.shopMoney.amount AS DECIMAL(18,4))
      - coalesce(list_aggregate(list_transform(f.refundShippingLines.nodes, LAMBDA x: TRY_CAST(x.subtotalAmountSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'), 0)
      - CASE WHEN o.taxes_included THEN 0 ELSE coalesce(list_aggregate(list_transform(f.refundShippingLines.nodes, LAMBDA x: TRY_CAST(x.taxAmountSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'), 0) END
      - coalesce(list_aggregate(list_transform(f.duties, LAMBDA x: TRY_CAST(x.amountSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'), 0) AS paid,
    -- What was paid beyond what the lines come to is below zero here, what was kept back above.
    coalesce(list_aggregate(list_transform(f.orderAdjustments.nodes, LAMBDA x: TRY_CAST(x.amountSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'), 0) AS adjusted,
    coalesce(list_aggregate(list_transform(f.orderAdjustments.nodes, LAMBDA x: TRY_CAST(x.taxAmountSet.shopMoney.amount AS DECIMAL(18,4))), 'sum'), 0) AS adjusted_tax,
    coalesce(len(list_filter(f.orderAdjustments.nodes, LAMBDA x: x.reason <> 'PENDING_REFUND_DISCREPANCY')), 0) = 0 AS may_settle
  FROM (SELECT *, unnest(r.refunds) AS f FROM usable) AS o
),
items AS (
  SELECT
    key, updated_at, refund, taxes_included, list_aggregate(string_split(i.lineItem.id, '/'), 'last') AS line_number,
    coalesce(i.lineItem.isGiftCard, FALSE) AS is_gift_card,
    coalesce(i.quantity, 0) AS quantity,
    coalesce(TRY_CAST(i.subtotalSet.shopMoney.amount AS DECIMAL(18,4)), 0) AS subtotal,
    coalesce(TRY_CAST(i.totalTaxSet.shopMoney.amount AS DECIMAL(18,4)), 0) AS tax
  FROM (SELECT key, updated_at, refund, taxes_included, unnest(items) AS i FROM refunds)
),
lines AS (
  SELECT
    i.key, i.updated_at, i.refund, i.line_number,
    NOT (i.is_gift_card OR coalesce(l.is_tip, FALSE)) AS is_goods,
    sum(i.quantity) AS quantity,
    sum(CASE WHEN i.taxes_included THEN i.subtotal - i.tax ELSE i.subtotal END) AS goods,
    sum(CASE WHEN i.taxes_included THEN i.subtotal ELSE i.subtotal + i.tax END) AS due
  FROM items AS i
  LEFT JOIN line_items AS l ON l.key = i.key AND l.updated_at = i.updated_at AND l.line_number = i.line_number
  GROUP BY ALL
),
dues AS (
  SELECT key, updated_at, refund, sum(CASE WHEN is_goods THEN goods ELSE 0 END) AS goods, sum(due) AS due FROM lines GROUP BY ALL
),
orders AS (
  SELECT key, updated_at, sum(removed) AS removed, sum(CASE WHEN is_goods THEN gross - discount ELSE 0 END) AS net, sum(CASE WHEN is_goods THEN tax ELSE 0 END) AS tax
  FROM (SELECT *, NOT (is_tip OR is_gift_card) AS is_goods FROM line_items)
  GROUP BY ALL
),
judged AS (
  SELECT
    f.key, f.updated_at, f.day, f.currency, f.rate, f.refund, f.refunded_at, f.may_settle,
    d.refund IS NULL AS names_none,
    coalesce(d.goods, 0) AS goods,
    coalesce(o.removed, 0) AS removed,
    CAST(CASE
      WHEN f.paid <= 0 THEN 0
      WHEN d.refund IS NULL AND f.adjusted_tax <> 0 THEN greatest(f.paid + f.adjusted_tax, 0)
      WHEN d.refund IS NULL AND o.tax > 0 AND o.net > 0 THEN CAST(f.paid * o.net / (o.net + o.tax) AS DECIMAL(18,4))
      WHEN d.refund IS NULL THEN f.paid
      WHEN f.paid >= d.due THEN d.goods + least(f.paid - d.due, greatest(-f.adjusted, 0))
      ELSE CAST(d.goods * f.paid / d.due AS DECIMAL(18,4))
    END AS DECIMAL(18,4)) AS money
  FROM refunds AS f
  LEFT JOIN dues AS d ON d.key = f.key AND d.updated_at = f.updated_at AND d.refund = f.refund
  LEFT JOIN orders AS o ON o.key = f.key AND o.updated_at = f.updated_at
),
owed AS (
  SELECT
    *,
    removed + sum(CASE WHEN money = 0 THEN goods ELSE 0 END) OVER (PARTITION BY key, updated_at) AS taken_off,
    coalesce(sum(CASE WHEN names_none AND may_settle THEN money ELSE 0 END) OVER (PARTITION BY key, updated_at ORDER BY refunded_at, refund), 0) AS settled
  FROM judged
),
taken AS (
  SELECT
    *,
    CAST(CASE
      WHEN names_none AND may_settle THEN greatest(taken_off, settled) - greatest(taken_off, settled - money)
      WHEN money = 0 THEN goods
      ELSE money
    END AS DECIMAL(18,4)) AS amount
  FROM owed
),
given_back AS (
  SELECT
    t.key, t.updated_at, t.day, t.currency, t.rate, t.refund || '/' || l.line_number AS refund_key, t.refunded_at, l.line_number,
    CASE WHEN t.amount >= t.goods THEN l.goods ELSE CAST(l.goods * t.amount / t.goods AS DECIMAL(18,4)) END AS amount,
    l.goods,
    l.quantity
  FROM taken AS t
  INNER JOIN lines AS l ON l.key = t.key AND l.updated_at = t.updated_at AND l.refund = t.refund
  WHERE l.is_goods
  UNION ALL
  SELECT key, updated_at, day, currency, rate, refund, refunded_at, CAST(NULL AS VARCHAR), amount - goods, amount - goods, CAST(NULL AS DECIMAL(18,8))
  FROM taken
  WHERE amount > goods
)
SELECT
  refund_key,
  updated_at,
  key AS order_key,
  line_number,
  refunded_at,
  CAST(timezone($timezone, refunded_at) AS DATE) AS refunded_on,
  CAST(amount AS DECIMAL(18,4)) AS amount,
  TRY_CAST(CAST(amount AS DECIMAL(18,4)) * rate AS DECIMAL(18,4)) AS amount_base,
  goods,
  quantity,
  TRUE AS told_with_order,
  currency,
  day
FROM given_back
WHERE amount > 0 OR quantity > 0
