-- One row per pair of items that are one article: some product of each has a SKU in common.
SELECT DISTINCT a.item_key, b.item_key AS other_key
FROM (SELECT item_key, unnest(skus) AS sku FROM products_as_of) AS a
JOIN (SELECT item_key, unnest(skus) AS sku FROM products_as_of) AS b ON b.sku = a.sku
WHERE a.item_key <> b.item_key
