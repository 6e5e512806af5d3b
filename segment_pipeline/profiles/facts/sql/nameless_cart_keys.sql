-- One row per customer key of carts that is nobody's by the snapshot.
SELECT k.source, k.customer_key
FROM (SELECT DISTINCT source, customer_key FROM carts WHERE customer_key IS NOT NULL) AS k
LEFT JOIN identities_as_of AS i ON i.entity = 'customer' AND i.source = k.source AND i.record_key = k.customer_key
WHERE i.record_key IS NULL
