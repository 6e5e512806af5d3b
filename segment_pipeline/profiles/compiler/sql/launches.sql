-- One row per product that belongs to a collection and was on sale by as_of.
SELECT DISTINCT item_key, brand, department, category, collection, launched_on
FROM products_as_of
WHERE launched_on <= $as_of AND collection IS NOT NULL
