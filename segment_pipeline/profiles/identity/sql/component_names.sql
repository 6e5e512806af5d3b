-- One row per (component, first name, last name) of components with several first names and several e-mails.
SELECT DISTINCT c.component, n.first_name, n.last_name
FROM record_names AS n
JOIN components AS c ON c.record_no = n.record_no
JOIN (
    SELECT c.component
    FROM (
        SELECT c.component
        FROM record_names AS n
        JOIN components AS c ON c.record_no = n.record_no
        WHERE n.first_name IS NOT NULL
        GROUP BY c.component
        HAVING min(n.first_name) <> max(n.first_name)
    ) AS named
    JOIN components AS c ON c.component = named.component
    JOIN identifiers AS i ON i.record_no = c.record_no
    JOIN identifier_values AS v ON v.value_no = i.value_no
    WHERE v.identifier_type = 'email' AND v.refusal IS NULL
    GROUP BY c.component
    HAVING min(i.value_no) <> max(i.value_no)
) AS several ON several.component = c.component
WHERE n.first_name IS NOT NULL
