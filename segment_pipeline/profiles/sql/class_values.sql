-- One row per value of a class of products: one to three per class. `alone`: no other class has the value.
SELECT class_no, value_no, count(*) OVER (PARTITION BY value_no) = 1 AS alone
FROM (
    SELECT DISTINCT c.class_no, v.value_no
    FROM (
        SELECT class_no, 'department' AS dimension, department AS value FROM product_classes
        UNION ALL
        SELECT class_no, 'category', category FROM product_classes
        UNION ALL
        SELECT class_no, 'collection', collection FROM product_classes
    ) AS c
    JOIN share_values AS v ON v.dimension = c.dimension AND v.value = c.value
) AS held
