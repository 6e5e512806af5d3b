-- One row per person who was sold goods by the end of as_of.
SELECT
    person_no,
    sum(CASE WHEN sold AND recent THEN spend END) AS sold_365d,
    coalesce(sum(CASE WHEN markdown_recent THEN spend END), 0) AS markdown_365d,
    count(CASE WHEN dated THEN 1 END) AS dated_lines_365d,
    count(CASE WHEN fresh THEN 1 END) AS new_lines_365d
FROM line_money
GROUP BY person_no
