-- One row per usable version of a checkout.
SELECT
  $source AS source,
  c.key AS cart_key,
  c.updated_at,
  nullif(c.r.customer.legacyResourceId, '') AS customer_key,
  e.email,
  p.phone,
  CAST(NULL AS VARCHAR) AS anonymous_id,
  c.created_at,
  TRY_CAST(c.r.completedAt AS TIMESTAMPTZ) AS completed_at,
  CAST(c.r.subtotalPriceSet.shopMoney.amount AS DECIMAL(18,4)) AS value,
  c.r.subtotalPriceSet.shopMoney.currencyCode AS currency,
  list_sort(list_distinct(list_filter(list_transform(c.r.lineItems.nodes, LAMBDA l: l.product.legacyResourceId), LAMBDA k: k <> ''))) AS product_keys,
  CAST(to_json(list_transform(
    c.r.lineItems.nodes,
    LAMBDA l: {'product_key': l.product.legacyResourceId, 'sku': l.sku, 'quantity': l.quantity, 'title': l.title}
  )) AS VARCHAR) AS lines,
  c.day
FROM parsed AS c
LEFT JOIN emails AS e ON e.raw = c.email_raw
LEFT JOIN phones AS p ON p.raw = c.phone_raw AND p.country IS NOT DISTINCT FROM c.phone_country
WHERE c.reason IS NULL
