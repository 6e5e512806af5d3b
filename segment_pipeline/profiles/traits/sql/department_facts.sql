-- One row per person who bought from a department by the end of as_of: how many in 365 days, and the one with the most spend.
SELECT
    person_no,
    count(CASE WHEN lines_365d > 0 THEN 1 END) AS departments_365d,
    min(CASE WHEN place = 1 AND spend_365d > 0 THEN value END) AS top_department
FROM (
    SELECT
        s.person_no, s.lines_365d, s.spend_365d, v.value,
        row_number() OVER (PARTITION BY s.person_no ORDER BY s.spend_365d DESC, s.value_no) AS place
    FROM shares AS s
    JOIN share_values AS v ON v.value_no = s.value_no
    WHERE s.dimension = 'department'
) AS ranked
GROUP BY person_no
