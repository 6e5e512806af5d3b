-- One row per product and source whose events name it by its number: its own, and those whose keys are its.
SELECT p.product_no, p.item_key, p.brand, p.department, p.category, p.collection, p.launched_on
FROM products_as_of AS p
LEFT JOIN key_spaces AS k ON k.source = p.source
WHERE k.source IS NULL
UNION ALL
SELECT
    key_number('product', k.source, p.product_key), p.item_key, p.brand, p.department, p.category, p.collection, p.launched_on
FROM products_as_of AS p
JOIN key_spaces AS k ON k.owner = p.source
