-- One row per (source, device, customer, e-mail) met in behaviour that belongs to a person: the customer named first, then
-- the address, then the device. Keys of a source that names another's customers are read in that source.
SELECT
    x.source, x.anonymous_id, x.customer_key, x.email,
    coalesce(c.person_no, e.person_no, d.person_no) AS person_no
FROM met AS x
LEFT JOIN key_spaces AS k ON k.source = x.source
LEFT JOIN activity_persons AS c ON c.entity = 'customer' AND c.source = coalesce(k.owner, x.source) AND c.record_key = x.customer_key
LEFT JOIN activity_persons AS e ON e.entity = 'email' AND e.source = x.source AND x.email IS NOT NULL AND e.record_key = sha256(x.email)
LEFT JOIN activity_persons AS d ON d.entity = 'device' AND d.source = x.source AND d.record_key = x.anonymous_id
WHERE coalesce(c.person_no, e.person_no, d.person_no) IS NOT NULL
