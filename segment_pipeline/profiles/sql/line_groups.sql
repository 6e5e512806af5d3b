-- One row per (person, department, category, collection): the one aggregate of lines that shares and line traits are made of.
SELECT
    w.profile_id, c.department, c.category, c.collection,
    g.spend_total, g.spend_365d, g.sold_365d, g.markdown_365d, g.lines_365d, g.dated_lines_365d, g.new_lines_365d
FROM (
    SELECT
        m.person_no, coalesce(p.class_no, 0) AS class_no,
        coalesce(sum(m.spend), 0) AS spend_total,
        coalesce(sum(m.spend) FILTER (WHERE m.ordered_on > $days_365), 0) AS spend_365d,
        coalesce(sum(m.spend) FILTER (WHERE m.ordered_on > $days_365 AND m.sold), 0) AS sold_365d,
        coalesce(sum(m.spend) FILTER (WHERE m.ordered_on > $days_365 AND m.is_markdown), 0) AS markdown_365d,
        count(*) FILTER (WHERE m.ordered_on > $days_365 AND m.sold) AS lines_365d,
        count(*) FILTER (WHERE m.ordered_on > $days_365 AND m.sold AND p.launched_on IS NOT NULL) AS dated_lines_365d,
        count(*) FILTER (
            WHERE m.ordered_on > $days_365 AND m.sold AND date_diff('day', p.launched_on, m.ordered_on) <= $new_arrival_days
        ) AS new_lines_365d
    FROM line_money AS m
    LEFT JOIN product_classes AS p ON p.product_no = m.product_no
    WHERE m.person_no IS NOT NULL
    GROUP BY m.person_no, coalesce(p.class_no, 0)
) AS g
JOIN people AS w ON w.person_no = g.person_no
LEFT JOIN (SELECT DISTINCT class_no, department, category, collection FROM product_classes) AS c ON c.class_no = g.class_no
