-- One row per person who bought goods by the end of as_of: of each dimension of `trait_shares` the spend of known value; NULL: none.
SELECT
    p.person_no,
    CAST(s.department_365d AS DECIMAL(18,4)) AS department_365d, CAST(s.department_total AS DECIMAL(18,4)) AS department_total,
    CAST(s.category_365d AS DECIMAL(18,4)) AS category_365d, CAST(s.category_total AS DECIMAL(18,4)) AS category_total,
    CAST(s.collection_365d AS DECIMAL(18,4)) AS collection_365d, CAST(s.collection_total AS DECIMAL(18,4)) AS collection_total
FROM person_lines AS p
LEFT JOIN (
    SELECT
        person_no,
        sum(spend_365d) FILTER (WHERE dimension = 'department') AS department_365d,
        sum(spend_total) FILTER (WHERE dimension = 'department') AS department_total,
        sum(spend_365d) FILTER (WHERE dimension = 'category') AS category_365d,
        sum(spend_total) FILTER (WHERE dimension = 'category') AS category_total,
        sum(spend_365d) FILTER (WHERE dimension = 'collection') AS collection_365d,
        sum(spend_total) FILTER (WHERE dimension = 'collection') AS collection_total
    FROM shares
    GROUP BY person_no
) AS s ON s.person_no = p.person_no
