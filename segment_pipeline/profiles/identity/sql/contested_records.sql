-- One row per record of a contradictory component, with what may not differ within one person.
SELECT
    c.component, c.record_no, f.customer_of, coalesce(g.group_no, c.record_no) AS group_no, f.loyalty_id, f.birth_date, f.full_name,
    n.first_name, n.last_name
FROM components AS c
JOIN contradictory AS x ON x.component = c.component
LEFT JOIN account_facts AS f ON f.record_no = c.record_no
LEFT JOIN record_names AS n ON n.record_no = c.record_no
LEFT JOIN account_groups AS g ON g.record_no = c.record_no
