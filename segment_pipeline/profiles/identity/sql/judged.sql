-- One row per record of the truth that the lake holds by as_of: whose it is and whose we say it is (NULL: nobody's).
SELECT t.source, t.entity, t.record_key, t.person_id, coalesce(t.kind, 'none') AS kind, p.profile_id
FROM truth_file AS t
JOIN (
    SELECT source, entity, customer_key AS record_key, entity AS person_entity, customer_key AS person_key
    FROM customers
    WHERE created_at < $end
    GROUP BY source, entity, customer_key
    UNION ALL
    SELECT source, 'order', order_key, CASE WHEN customer_key IS NULL THEN 'order' ELSE 'customer' END, coalesce(customer_key, order_key)
    FROM orders_as_of
    UNION ALL
    SELECT source, 'cart', cart_key, CASE WHEN customer_key IS NULL THEN 'cart' ELSE 'customer' END, coalesce(customer_key, cart_key)
    FROM carts_as_of
    UNION ALL
    SELECT source, 'device', anonymous_id, 'device', anonymous_id
    FROM events
    WHERE anonymous_id IS NOT NULL AND occurred_on <= $as_of
    GROUP BY source, anonymous_id
) AS k ON k.source = t.source AND k.entity = t.entity AND k.record_key = t.record_key
LEFT JOIN persons AS p ON p.source = k.source AND p.entity = k.person_entity AND p.record_key = k.person_key
WHERE t.person_id IS NOT NULL
