-- One row per usable version of an order; amounts are the sums of its lines, gift cards apart. Refunds have a table of their own.
WITH totals AS (
  SELECT
    key,
    updated_at,
    sum(gross) FILTER (NOT is_gift_card) AS gross,
    sum(discount) FILTER (NOT is_gift_card) AS discount,
    sum(net) FILTER (NOT is_gift_card) AS net,
    sum(net) FILTER (is_gift_card) AS gift_card_sold
  FROM order_items
  GROUP BY key, updated_at
)
SELECT
  $source AS source,
  o.key AS order_key,
  o.updated_at,
  'sale' AS kind,
  CAST(NULL AS VARCHAR) AS parent_order_key,
  nullif(o.r.customer.legacyResourceId, '') AS customer_key,
  e.email,
  p.phone,
  CAST(NULL AS VARCHAR) AS anonymous_id,
  CASE
    WHEN o.r.retailLocation.id IS NOT NULL OR o.r.sourceName = 'pos' OR o.r.attribution.handle = 'pos' THEN 'store'
    WHEN o.r.sourceName IN ('mobile_app', 'ios', 'android') THEN 'app'
    ELSE 'web'
  END AS channel,
  list_aggregate(string_split(o.r.retailLocation.id, '/'), 'last') AS store_key,
  o.ordered_at,
  o.business_on AS ordered_on,
  o.local_at,
  CASE
    WHEN o.r.test THEN 'test'
    WHEN o.r.cancelledAt IS NOT NULL OR o.r.displayFinancialStatus IN ('VOIDED', 'EXPIRED') THEN 'cancelled'
    WHEN o.r.displayFinancialStatus IN ('PENDING', 'AUTHORIZED') THEN 'open'
    ELSE 'completed'
  END AS status,
  o.currency,
  CAST(coalesce(t.gross, 0) AS DECIMAL(18,4)) AS gross,
  CAST(coalesce(t.discount, 0) AS DECIMAL(18,4)) AS discount,
  CAST(coalesce(t.net, 0) AS DECIMAL(18,4)) AS net,
  CAST(CAST(coalesce(t.net, 0) AS DECIMAL(18,4)) * r.rate AS DECIMAL(18,4)) AS net_base,
  CAST(coalesce(t.gift_card_sold, 0) AS DECIMAL(18,4)) AS gift_card_sold,
  r.rate_day,
  list_sort(list_distinct(coalesce(o.r.discountCodes, []))) AS coupon_codes,
  nullif(o.r.customerJourneySummary.lastVisit.utmParameters.campaign, '') AS campaign_key,
  o.created_at,
  o.day
FROM parsed AS o
LEFT JOIN totals AS t ON t.key = o.key AND t.updated_at = o.updated_at
LEFT JOIN emails AS e ON e.raw = o.email_raw
LEFT JOIN phones AS p ON p.raw = o.phone_raw AND p.country IS NOT DISTINCT FROM o.phone_country
LEFT JOIN rates_on AS r ON r.currency = o.currency AND r.day = o.business_on
WHERE o.reason IS NULL
