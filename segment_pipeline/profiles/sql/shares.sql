-- One row per (person, value of a dimension): money spent on it in the 365 days to as_of and to date, and whether any was bought.
SELECT
    l.person_no, v.value_no,
    CAST(coalesce(sum(l.spend) FILTER (WHERE l.recent), 0) AS DECIMAL(18,4)) AS spend_365d,
    CAST(coalesce(sum(l.spend), 0) AS DECIMAL(18,4)) AS spend_total,
    bool_or(l.sold_recent) AS bought_365d
FROM line_money AS l
JOIN class_values AS v ON v.class_no = l.class_no
GROUP BY l.person_no, v.value_no
