-- One row per (person, value of a dimension): money spent on it in the 365 days to as_of and to date; `lines_365d` 0: nothing
-- bought. What only one class of products has, as most collections, is summed already.
SELECT g.person_no, v.value_no, g.spend_365d, g.spend_total, g.lines_365d
FROM line_groups AS g
JOIN class_values AS v ON v.class_no = g.class_no
WHERE v.alone
UNION ALL
SELECT
    g.person_no, v.value_no,
    CAST(sum(g.spend_365d) AS DECIMAL(18,4)), CAST(sum(g.spend_total) AS DECIMAL(18,4)), max(g.lines_365d)
FROM line_groups AS g
JOIN class_values AS v ON v.class_no = g.class_no
WHERE NOT v.alone
GROUP BY g.person_no, v.value_no
