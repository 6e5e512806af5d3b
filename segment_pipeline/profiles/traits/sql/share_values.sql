-- One row per value of a dimension that a product has, numbered in the order of (dimension, value).
SELECT dimension, value, CAST(row_number() OVER (ORDER BY dimension, value) AS INTEGER) AS value_no
FROM (
    SELECT 'department' AS dimension, department AS value FROM product_classes WHERE department IS NOT NULL
    UNION
    SELECT 'category', category FROM product_classes WHERE category IS NOT NULL
    UNION
    SELECT 'collection', collection FROM product_classes WHERE collection IS NOT NULL
) AS held
