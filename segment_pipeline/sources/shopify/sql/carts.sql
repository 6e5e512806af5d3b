-- One row per usable version of a checkout.
SELECT
  c.*,
  c.key AS cart_key,
  nullif(c.r.customer.legacyResourceId, '') AS customer_key,
  coalesce(nullif(trim(c.r.billingAddress.firstName), ''), CASE WHEN coalesce(trim(c.r.billingAddress.lastName), '') = '' THEN nullif(trim(c.r.shippingAddress.firstName), '') END) AS first_name,
  coalesce(nullif(trim(c.r.billingAddress.lastName), ''), CASE WHEN coalesce(trim(c.r.billingAddress.firstName), '') = '' THEN nullif(trim(c.r.shippingAddress.lastName), '') END) AS last_name,
  TRY_CAST(c.r.subtotalPriceSet.shopMoney.amount AS DECIMAL(18,4)) AS value,
  c.r.subtotalPriceSet.shopMoney.currencyCode AS currency,
  list_sort(list_distinct(list_filter(list_transform(c.r.lineItems.nodes, LAMBDA l: l.product.legacyResourceId), LAMBDA k: k <> ''))) AS product_keys,
  CAST(to_json(list_transform(
    c.r.lineItems.nodes,
    LAMBDA l: {'product_key': l.product.legacyResourceId, 'sku': l.sku, 'quantity': l.quantity, 'title': l.title}
  )) AS VARCHAR) AS lines
FROM usable AS c
