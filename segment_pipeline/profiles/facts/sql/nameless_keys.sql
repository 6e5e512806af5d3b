-- One row per customer key of orders that is nobody's by the snapshot: a placeholder, or what the company says names nobody.
SELECT k.source, k.customer_key
FROM order_customers AS k
LEFT JOIN identities_as_of AS i ON i.entity = 'customer' AND i.source = k.source AND i.record_key = k.customer_key
WHERE i.record_key IS NULL
