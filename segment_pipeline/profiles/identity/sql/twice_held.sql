-- One row per (value, source) of e-mails and phones that several named accounts of the source carry.
SELECT i.value_no, a.customer_of
FROM identifiers AS i
JOIN identifier_values AS v ON v.value_no = i.value_no
JOIN account_facts AS a ON a.record_no = i.record_no
WHERE v.refusal IS NULL AND v.records > 1 AND v.identifier_type IN ('email', 'phone')
    AND a.customer_of IS NOT NULL AND a.full_name IS NOT NULL
GROUP BY i.value_no, a.customer_of
HAVING count(*) > 1
