-- One row per usable version of a product; the price is its cheapest variant's.
SELECT
  c.*,
  c.key AS product_key,
  c.r.title AS title,
  nullif(trim(c.r.vendor), '') AS brand,
  coalesce(nullif(trim(c.r.department.value), ''), c.r.category.name) AS department,
  nullif(trim(c.r.productType), '') AS category,
  c.r.collections.nodes[1].title AS collection,
  TRY_CAST(c.r.priceRangeV2.minVariantPrice.amount AS DECIMAL(18,4)) AS price,
  c.r.priceRangeV2.minVariantPrice.currencyCode AS currency,
  list_sort(list_distinct(coalesce(list_filter(list_transform(c.r.variants.nodes, LAMBDA v: v.sku), LAMBDA s: s <> ''), []))) AS skus
FROM usable AS c
