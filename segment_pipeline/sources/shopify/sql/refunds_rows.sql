-- One row per refunded line, and one per refund that names no line, in each version of their order; gift cards left out.
-- In the base currency at the rate of the order's day, so that a full refund takes back what was counted.
WITH refunds AS (
  SELECT key, updated_at, day, currency, business_on, unnest(r.refunds) AS f FROM parsed WHERE reason IS NULL
),
amounts AS (
  SELECT key, updated_at, day, currency, business_on, f.legacyResourceId AS refund, CAST(NULL AS VARCHAR) AS line_number,
    coalesce(TRY_CAST(f.processedAt AS TIMESTAMPTZ), TRY_CAST(f.createdAt AS TIMESTAMPTZ)) AS refunded_at,
    TRY_CAST(f.totalRefundedSet.shopMoney.amount AS DECIMAL(18,4)) AS amount
  FROM refunds
  WHERE coalesce(len(f.refundLineItems.nodes), 0) = 0
  UNION ALL
  SELECT key, updated_at, day, currency, business_on, refund,
    list_aggregate(string_split(i.lineItem.id, '/'), 'last') AS line_number, refunded_at,
    sum(TRY_CAST(i.subtotalSet.shopMoney.amount AS DECIMAL(18,4))) AS amount
  FROM (
    SELECT key, updated_at, day, currency, business_on, f.legacyResourceId AS refund,
      coalesce(TRY_CAST(f.processedAt AS TIMESTAMPTZ), TRY_CAST(f.createdAt AS TIMESTAMPTZ)) AS refunded_at,
      unnest(f.refundLineItems.nodes) AS i
    FROM refunds
  )
  WHERE NOT coalesce(i.lineItem.isGiftCard, FALSE)
  GROUP BY ALL
)
SELECT
  $source AS source,
  a.refund || coalesce('/' || a.line_number, '') AS refund_key,
  a.updated_at,
  a.key AS order_key,
  a.line_number,
  a.refunded_at,
  CAST(timezone($timezone, a.refunded_at) AS DATE) AS refunded_on,
  CAST(a.amount AS DECIMAL(18,4)) AS amount,
  CAST(CAST(a.amount AS DECIMAL(18,4)) * r.rate AS DECIMAL(18,4)) AS amount_base,
  a.currency,
  a.day
FROM amounts AS a
LEFT JOIN rates_on AS r ON r.currency = a.currency AND r.day = a.business_on
WHERE a.amount > 0
