-- One row per customer who is a person and source that names them by its number: their own, and those whose customer keys are its.
SELECT p.source, p.key_no AS customer_no, p.profile_id, p.person_no
FROM activity_persons AS p
LEFT JOIN key_spaces AS k ON k.source = p.source
WHERE p.entity = 'customer' AND k.source IS NULL
UNION ALL
SELECT k.source, key_number('customer', k.source, p.record_key), p.profile_id, p.person_no
FROM activity_persons AS p
JOIN key_spaces AS k ON k.owner = p.source
WHERE p.entity = 'customer'
