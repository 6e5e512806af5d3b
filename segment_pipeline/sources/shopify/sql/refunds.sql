-- One row per refunded line, and one per refund that names no line, in each version of their order; gift cards left out.
-- In the base currency at the rate of the order's day, so that a full refund takes back what was counted.
WITH refunds AS (
  SELECT key, updated_at, day, currency, rate, f, coalesce(TRY_CAST(f.processedAt AS TIMESTAMPTZ), TRY_CAST(f.createdAt AS TIMESTAMPTZ)) AS refunded_at
  FROM (SELECT *, unnest(r.refunds) AS f FROM usable)
),
lines AS (
  SELECT *, unnest(f.refundLineItems.nodes) AS i FROM refunds
),
amounts AS (
  SELECT key, updated_at, day, currency, rate, f.legacyResourceId AS refund, refunded_at, CAST(NULL AS VARCHAR) AS line_number,
    TRY_CAST(f.totalRefundedSet.shopMoney.amount AS DECIMAL(18,4)) AS amount
  FROM refunds
  WHERE coalesce(len(f.refundLineItems.nodes), 0) = 0
  UNION ALL
  SELECT key, updated_at, day, currency, rate, f.legacyResourceId AS refund, refunded_at,
    list_aggregate(string_split(i.lineItem.id, '/'), 'last') AS line_number,
    sum(TRY_CAST(i.subtotalSet.shopMoney.amount AS DECIMAL(18,4))) AS amount
  FROM lines
  WHERE NOT coalesce(i.lineItem.isGiftCard, FALSE)
  GROUP BY ALL
)
SELECT
  refund || coalesce('/' || line_number, '') AS refund_key,
  updated_at,
  key AS order_key,
  line_number,
  refunded_at,
  CAST(timezone($timezone, refunded_at) AS DATE) AS refunded_on,
  amount,
  CAST(amount AS DECIMAL(18,4)) * rate AS amount_base,
  currency,
  day
FROM amounts
WHERE amount > 0
