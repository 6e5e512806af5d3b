-- One row per product: the number of its (department, category, collection), from 1; 0: it has none of them.
SELECT
    product_no, department, category, collection, launched_on,
    CASE
        WHEN coalesce(department, category, collection) IS NULL THEN 0
        ELSE CAST(dense_rank() OVER (ORDER BY department, category, collection) AS INTEGER)
    END AS class_no
FROM products_as_of
