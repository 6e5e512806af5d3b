-- One row per product: the number of its (department, category, collection), from 1; 0: it has none of them.
SELECT
    n.product_no, p.department, p.category, p.collection, p.launched_on,
    CASE
        WHEN coalesce(p.department, p.category, p.collection) IS NULL THEN 0
        ELSE dense_rank() OVER (ORDER BY p.department, p.category, p.collection)
    END AS class_no
FROM products_as_of AS p
JOIN product_numbers AS n ON n.source = p.source AND n.product_key = p.product_key
