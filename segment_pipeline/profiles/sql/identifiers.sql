-- One row per (record, identifier type, canonical value) by the end of as_of. `strength`: 0 is the strongest evidence.
-- Devices are not here: they are attached to a person afterwards and never join two.
SELECT record_no, identifier_type, identifier, min(strength) AS strength, max(seen_at) AS seen_at, sum(weight) AS weight
FROM (
    SELECT r.record_no, 'customer_key' AS identifier_type, concat_ws(':', r.source, r.record_key) AS identifier, 0 AS strength, r.created_at AS seen_at, 1 AS weight
    FROM records AS r
    WHERE r.entity = 'customer'
    UNION ALL
    SELECT r.record_no, 'customer_key', concat_ws(':', a.source, a.owner_key), 0, a.updated_at, 1
    FROM accounts AS a
    JOIN records AS r ON r.source = a.source AND r.entity = a.entity AND r.record_key = a.customer_key
    WHERE a.owner_key IS NOT NULL
    UNION ALL
    SELECT r.record_no, t.identifier_type,
        CASE t.identifier_type WHEN 'loyalty_id' THEN v.loyalty_id WHEN 'email' THEN v.email ELSE v.phone END,
        CASE t.identifier_type WHEN 'loyalty_id' THEN 1 WHEN 'email' THEN 2 ELSE 3 END,
        v.updated_at, 1
    FROM customers AS v
    JOIN accounts AS a ON a.source = v.source AND a.entity = v.entity AND a.customer_key = v.customer_key
    JOIN records AS r ON r.source = v.source AND r.entity = v.entity AND r.record_key = v.customer_key
    CROSS JOIN (SELECT unnest(['loyalty_id', 'email', 'phone']) AS identifier_type) AS t
    WHERE v.day <= $as_of OR v.updated_at = a.updated_at
    UNION ALL
    SELECT r.record_no, i.identifier_type,
        CASE i.identifier_type WHEN 'email' THEN t.email ELSE t.phone END,
        CASE i.identifier_type WHEN 'email' THEN 4 ELSE 5 END,
        t.seen_at, 1
    FROM touches AS t
    JOIN records AS r
        ON r.source = t.source
        AND r.entity = CASE WHEN t.customer_key IS NULL THEN t.entity ELSE 'customer' END
        AND r.record_key = coalesce(t.customer_key, t.record_key)
    CROSS JOIN (SELECT unnest(['email', 'phone']) AS identifier_type) AS i
    WHERE t.email IS NOT NULL OR t.phone IS NOT NULL
    UNION ALL
    SELECT r.record_no, 'email', c.email, 6, c.last_at, 1
    FROM contacts AS c
    JOIN records AS r ON r.source = c.source AND r.entity = 'email' AND r.record_key = sha256(c.email)
    WHERE c.email IS NOT NULL
) AS all_identifiers
WHERE identifier IS NOT NULL AND identifier <> ''
GROUP BY record_no, identifier_type, identifier
