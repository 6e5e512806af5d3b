-- One row per other version of a revised account known by the end of as_of: what it carried once stays with its person.
SELECT a.record_no, a.entity, v.loyalty_id, v.email, v.phone, v.updated_at
FROM customers AS v
JOIN chosen_accounts AS x ON x.key_no = v.key_no
JOIN accounts AS a ON a.key_no = v.key_no
WHERE v.day <= $as_of OR v.updated_at = a.updated_at
