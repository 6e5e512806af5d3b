-- One row per person who bought goods by the end of as_of; of each dimension of `trait_shares` the spend of known value.
SELECT
    g.person_no,
    sum(g.sold_365d) AS sold_365d,
    sum(g.markdown_365d) AS markdown_365d,
    sum(g.dated_lines_365d) AS dated_lines_365d,
    sum(g.new_lines_365d) AS new_lines_365d,
    CAST(sum(CASE WHEN c.department IS NOT NULL THEN g.spend_365d END) AS DECIMAL(18,4)) AS department_365d,
    CAST(sum(CASE WHEN c.category IS NOT NULL THEN g.spend_365d END) AS DECIMAL(18,4)) AS category_365d,
    CAST(sum(CASE WHEN c.collection IS NOT NULL THEN g.spend_365d END) AS DECIMAL(18,4)) AS collection_365d,
    CAST(sum(CASE WHEN c.department IS NOT NULL THEN g.spend_total END) AS DECIMAL(18,4)) AS department_total,
    CAST(sum(CASE WHEN c.category IS NOT NULL THEN g.spend_total END) AS DECIMAL(18,4)) AS category_total,
    CAST(sum(CASE WHEN c.collection IS NOT NULL THEN g.spend_total END) AS DECIMAL(18,4)) AS collection_total
FROM line_groups AS g
LEFT JOIN (
    SELECT DISTINCT class_no, department, category, collection FROM product_classes WHERE class_no > 0
) AS c ON c.class_no = g.class_no
GROUP BY g.person_no
