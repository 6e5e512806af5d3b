-- One row per value of a class of products: one to three per class.
SELECT DISTINCT c.class_no, v.dimension, v.value_no
FROM (
    SELECT class_no, 'department' AS dimension, department AS value FROM product_classes
    UNION ALL
    SELECT class_no, 'category', category FROM product_classes
    UNION ALL
    SELECT class_no, 'collection', collection FROM product_classes
) AS c
JOIN share_values AS v ON v.dimension = c.dimension AND v.value = c.value
