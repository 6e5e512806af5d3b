-- One row per usable version of a product; the price is its cheapest variant's.
SELECT
  $source AS source,
  key AS product_key,
  updated_at,
  r.title AS title,
  nullif(trim(r.vendor), '') AS brand,
  coalesce(nullif(trim(r.department.value), ''), r.category.name) AS department,
  nullif(trim(r.productType), '') AS category,
  r.collections.nodes[1].title AS collection,
  TRY_CAST(r.priceRangeV2.minVariantPrice.amount AS DECIMAL(18,4)) AS price,
  r.priceRangeV2.minVariantPrice.currencyCode AS currency,
  coalesce(TRY_CAST(r.launchedOn.value AS DATE), CAST(timezone($timezone, TRY_CAST(r.publishedAt AS TIMESTAMPTZ)) AS DATE)) AS launched_on,
  CAST(NULL AS DATE) AS deleted_on,
  list_sort(list_distinct(coalesce(list_filter(list_transform(r.variants.nodes, LAMBDA v: v.sku), LAMBDA s: s <> ''), []))) AS skus,
  day
FROM parsed
WHERE reason IS NULL
