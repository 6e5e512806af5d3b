-- One row per account that shares an e-mail or phone and the full name with an older account of the same source: one
-- person with two accounts, as tills and web shops make them.
SELECT f.record_no, g.first_no
FROM (
    SELECT a.record_no, a.customer_of, a.full_name, i.identifier_type, i.identifier
    FROM account_facts AS a
    JOIN identifiers AS i ON i.record_no = a.record_no
    WHERE a.customer_of IS NOT NULL AND a.full_name IS NOT NULL AND i.identifier_type IN ('email', 'phone')
) AS f
JOIN (
    SELECT a.customer_of, a.full_name, i.identifier_type, i.identifier, min(a.record_no) AS first_no
    FROM account_facts AS a
    JOIN identifiers AS i ON i.record_no = a.record_no
    JOIN identifier_values AS v ON v.identifier_type = i.identifier_type AND v.identifier = i.identifier
    WHERE a.customer_of IS NOT NULL AND a.full_name IS NOT NULL AND i.identifier_type IN ('email', 'phone') AND v.refusal IS NULL
    GROUP BY a.customer_of, a.full_name, i.identifier_type, i.identifier
    HAVING count(*) > 1
) AS g
    ON g.customer_of = f.customer_of AND g.full_name = f.full_name
    AND g.identifier_type = f.identifier_type AND g.identifier = f.identifier
WHERE f.record_no <> g.first_no
