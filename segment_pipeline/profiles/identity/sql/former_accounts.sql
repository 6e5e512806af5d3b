-- One row per other version of a revised account known by the end of as_of: what it carried once stays with its person.
SELECT a.record_no, a.entity, v.loyalty_id, v.email, v.phone, v.updated_at
FROM customers AS v
JOIN revised_accounts AS x ON x.source = v.source AND x.entity = v.entity AND x.customer_key = v.customer_key
JOIN accounts AS a ON a.source = v.source AND a.entity = v.entity AND a.customer_key = v.customer_key
WHERE v.day <= $as_of OR v.updated_at = a.updated_at
