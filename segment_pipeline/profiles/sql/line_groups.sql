-- One row per (person, class of products): the one aggregate of lines that shares and line traits are made of.
SELECT
    person_no, class_no,
    CAST(coalesce(sum(spend), 0) AS DECIMAL(18,4)) AS spend_total,
    CAST(coalesce(sum(CASE WHEN recent THEN spend END), 0) AS DECIMAL(18,4)) AS spend_365d,
    CAST(coalesce(sum(CASE WHEN sold_recent THEN spend END), 0) AS DECIMAL(18,4)) AS sold_365d,
    CAST(coalesce(sum(CASE WHEN markdown_recent THEN spend END), 0) AS DECIMAL(18,4)) AS markdown_365d,
    CAST(count(CASE WHEN sold_recent THEN 1 END) AS INTEGER) AS lines_365d,
    CAST(count(CASE WHEN dated THEN 1 END) AS INTEGER) AS dated_lines_365d,
    CAST(count(CASE WHEN fresh THEN 1 END) AS INTEGER) AS new_lines_365d
FROM line_money
GROUP BY person_no, class_no
