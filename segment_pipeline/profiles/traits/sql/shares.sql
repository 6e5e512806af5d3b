-- One row per (person, value of a dimension): net of the goods of it kept, of the 365 days to as_of and to date; `lines_365d` 0: none
-- is. A dimension at a time, or what is being summed of all three would be in memory at once.
SELECT
    l.person_no, v.value_no,
    CAST(coalesce(sum(CASE WHEN l.recent THEN l.spend END), 0) AS DECIMAL(18,4)) AS spend_365d,
    CAST(coalesce(sum(l.spend), 0) AS DECIMAL(18,4)) AS spend_total,
    CAST(count(CASE WHEN l.kept_recent THEN 1 END) AS INTEGER) AS lines_365d
FROM line_money AS l
JOIN class_values AS v ON v.class_no = l.class_no
WHERE v.dimension = $dimension
GROUP BY l.person_no, v.value_no
