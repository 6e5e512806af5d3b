-- One row per account that belongs to a person.
SELECT a.record_no, k.person_no
FROM accounts AS a
JOIN persons AS p ON p.source = a.source AND p.entity = a.entity AND p.record_key = a.customer_key
JOIN people AS k ON k.profile_id = p.profile_id
