-- One row per word by which rules may choose products and that some version of a product held has: value of the filter.
SELECT 'brand' AS filter, brand AS word FROM products WHERE brand IS NOT NULL
UNION
SELECT 'department', department FROM products WHERE department IS NOT NULL
UNION
SELECT 'category', category FROM products WHERE category IS NOT NULL
UNION
SELECT 'collection', collection FROM products WHERE collection IS NOT NULL
UNION
SELECT 'product', concat_ws(':', source, product_key) FROM products
UNION
SELECT 'product', sku FROM (SELECT unnest(skus) AS sku FROM products) AS s WHERE sku IS NOT NULL
