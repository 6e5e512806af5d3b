-- One row per item with a SKU some rule asks for.
SELECT DISTINCT p.item_key, p.sku
FROM (SELECT item_key, unnest(skus) AS sku FROM products_as_of) AS p
JOIN segment_items_asked AS a ON a.sku = p.sku
