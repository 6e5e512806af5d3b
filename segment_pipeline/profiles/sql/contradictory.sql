-- One row per component that holds two values of what is unique to a person.
SELECT component
FROM (
    SELECT c.component, max(k.keys) AS keys, count(DISTINCT f.loyalty_id) AS loyalty_ids, count(DISTINCT f.birth_date) AS birth_dates
    FROM account_facts AS f
    JOIN components AS c ON c.record_no = f.record_no
    LEFT JOIN (
        SELECT c.component, f.customer_of, count(DISTINCT coalesce(g.group_no, f.record_no)) AS keys
        FROM account_facts AS f
        JOIN components AS c ON c.record_no = f.record_no
        LEFT JOIN account_groups AS g ON g.record_no = f.record_no
        WHERE f.customer_of IS NOT NULL
        GROUP BY c.component, f.customer_of
    ) AS k ON k.component = c.component
    GROUP BY c.component
) AS held
WHERE coalesce(keys, 0) > 1 OR loyalty_ids > 1 OR birth_dates > 1
