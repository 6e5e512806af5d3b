-- One row per account that shares an e-mail or phone and the full name with an older account of the same source: one
-- person with two accounts, as tills and web shops make them.
SELECT DISTINCT record_no, first_no
FROM (
    SELECT a.record_no, min(a.record_no) OVER (PARTITION BY t.value_no, t.customer_of, a.full_name) AS first_no
    FROM twice_held AS t
    JOIN identifiers AS i ON i.value_no = t.value_no
    JOIN account_facts AS a ON a.record_no = i.record_no AND a.customer_of = t.customer_of AND a.full_name IS NOT NULL
) AS alike
WHERE record_no <> first_no
