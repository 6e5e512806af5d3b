-- One row per person who bought goods by the end of as_of: of each dimension of `trait_shares` the spend of known value.
SELECT
    p.person_no,
    CAST(d.spend_365d AS DECIMAL(18,4)) AS department_365d, CAST(d.spend_total AS DECIMAL(18,4)) AS department_total,
    CAST(c.spend_365d AS DECIMAL(18,4)) AS category_365d, CAST(c.spend_total AS DECIMAL(18,4)) AS category_total,
    CAST(n.spend_365d AS DECIMAL(18,4)) AS collection_365d, CAST(n.spend_total AS DECIMAL(18,4)) AS collection_total
FROM person_lines AS p
LEFT JOIN (
    SELECT person_no, sum(spend_365d) AS spend_365d, sum(spend_total) AS spend_total
    FROM shares
    WHERE dimension = 'department'
    GROUP BY person_no
) AS d ON d.person_no = p.person_no
LEFT JOIN (
    SELECT person_no, sum(spend_365d) AS spend_365d, sum(spend_total) AS spend_total
    FROM shares
    WHERE dimension = 'category'
    GROUP BY person_no
) AS c ON c.person_no = p.person_no
LEFT JOIN (
    SELECT person_no, sum(spend_365d) AS spend_365d, sum(spend_total) AS spend_total
    FROM shares
    WHERE dimension = 'collection'
    GROUP BY person_no
) AS n ON n.person_no = p.person_no
