-- One row per component that holds two values of what is unique to a person, or first names of two people (`different_names`).
SELECT c.component
FROM account_facts AS f
JOIN components AS c ON c.record_no = f.record_no
GROUP BY c.component
HAVING min(f.loyalty_id) <> max(f.loyalty_id) OR min(f.birth_date) <> max(f.birth_date)
UNION
SELECT c.component
FROM account_facts AS f
JOIN components AS c ON c.record_no = f.record_no
LEFT JOIN account_groups AS g ON g.record_no = f.record_no
WHERE f.customer_of IS NOT NULL
GROUP BY c.component, f.customer_of
HAVING min(coalesce(g.group_no, f.record_no)) <> max(coalesce(g.group_no, f.record_no))
UNION
SELECT a.component
FROM component_names AS a
JOIN component_names AS b ON b.component = a.component AND a.first_name < b.first_name
JOIN different_names AS d ON d.one = a.first_name AND d.other = b.first_name
WHERE NOT coalesce(a.first_name = b.last_name AND b.first_name = a.last_name, FALSE)
