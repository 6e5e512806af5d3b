-- One row per person who bought goods by the end of as_of; of each dimension of `trait_shares` the spend of known value.
SELECT
    l.person_no,
    coalesce(sum(l.spend) FILTER (WHERE l.sold_recent), 0) AS sold_365d,
    coalesce(sum(l.spend) FILTER (WHERE l.markdown_recent), 0) AS markdown_365d,
    count(CASE WHEN l.dated THEN 1 END) AS dated_lines_365d,
    count(CASE WHEN l.fresh THEN 1 END) AS new_lines_365d,
    coalesce(sum(l.spend) FILTER (WHERE l.recent AND c.department IS NOT NULL), 0) AS department_365d,
    coalesce(sum(l.spend) FILTER (WHERE l.recent AND c.category IS NOT NULL), 0) AS category_365d,
    coalesce(sum(l.spend) FILTER (WHERE l.recent AND c.collection IS NOT NULL), 0) AS collection_365d,
    coalesce(sum(l.spend) FILTER (WHERE c.department IS NOT NULL), 0) AS department_total,
    coalesce(sum(l.spend) FILTER (WHERE c.category IS NOT NULL), 0) AS category_total,
    coalesce(sum(l.spend) FILTER (WHERE c.collection IS NOT NULL), 0) AS collection_total
FROM line_money AS l
LEFT JOIN (SELECT DISTINCT class_no, department, category, collection FROM product_classes WHERE class_no > 0) AS c ON c.class_no = l.class_no
GROUP BY l.person_no
