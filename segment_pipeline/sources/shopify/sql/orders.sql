-- One row per usable version of an order. Refunds have a table of their own. Amounts are in the shop's currency, in which an order
-- can be added up with others.
SELECT
  o.*,
  o.key AS order_key,
  'sale' AS kind,
  nullif(o.r.customer.legacyResourceId, '') AS customer_key,
  coalesce(nullif(trim(o.r.billingAddress.firstName), ''), CASE WHEN coalesce(trim(o.r.billingAddress.lastName), '') = '' THEN nullif(trim(o.r.shippingAddress.firstName), '') END) AS first_name,
  coalesce(nullif(trim(o.r.billingAddress.lastName), ''), CASE WHEN coalesce(trim(o.r.billingAddress.firstName), '') = '' THEN nullif(trim(o.r.shippingAddress.lastName), '') END) AS last_name,
  CASE
    WHEN o.r.retailLocation.id IS NOT NULL OR o.r.sourceName = 'pos' OR o.r.attribution.handle = 'pos' THEN 'store'
    WHEN o.r.sourceName IN ('mobile_app', 'ios', 'android') THEN 'app'
    ELSE 'web'
  END AS channel,
  list_aggregate(string_split(o.r.retailLocation.id, '/'), 'last') AS store_key,
  o.business_at AS ordered_at,
  o.business_on AS ordered_on,
  CASE
    WHEN o.r.test THEN 'test'
    WHEN o.r.cancelledAt IS NOT NULL OR o.r.displayFinancialStatus IN ('VOIDED', 'EXPIRED') THEN 'cancelled'
    WHEN o.r.displayFinancialStatus IN ('PAID', 'PARTIALLY_PAID', 'PARTIALLY_REFUNDED', 'REFUNDED') THEN 'completed'
    ELSE 'open'
  END AS status,
  t.gross,
  t.discount,
  t.net,
  t.net_base,
  t.tax,
  t.gift_card_sold,
  list_sort(list_distinct(coalesce(o.r.discountCodes, []))) AS coupon_codes,
  nullif(o.r.customerJourneySummary.lastVisit.utmParameters.campaign, '') AS campaign_key
FROM usable AS o
INNER JOIN order_totals AS t ON t.key = o.key AND t.updated_at = o.updated_at
