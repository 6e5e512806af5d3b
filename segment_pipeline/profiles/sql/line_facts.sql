-- One row per person who bought goods by the end of as_of.
SELECT
    g.profile_id,
    sum(g.sold_365d) AS sold_365d,
    sum(g.markdown_365d) AS markdown_365d,
    sum(g.dated_lines_365d) AS dated_lines_365d,
    sum(g.new_lines_365d) AS new_lines_365d,
    count(DISTINCT CASE WHEN g.lines_365d > 0 THEN g.department END) AS departments_365d,
    min(t.value) AS top_department
FROM line_groups AS g
LEFT JOIN (
    SELECT profile_id, value
    FROM (
        SELECT profile_id, value, row_number() OVER (PARTITION BY profile_id ORDER BY spend_365d DESC, value) AS place
        FROM shares
        WHERE dimension = 'department' AND spend_365d > 0
    ) AS ranked
    WHERE place = 1
) AS t ON t.profile_id = g.profile_id
GROUP BY g.profile_id
