-- One row per component that holds two values of what is unique to a person.
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
