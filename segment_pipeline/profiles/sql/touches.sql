-- One row per order or cart that says anything about who made it.
SELECT source, 'order' AS entity, order_key AS record_key, customer_key, email, phone, anonymous_id, created_at, ordered_at AS seen_at
FROM orders_as_of
WHERE customer_key IS NOT NULL OR email IS NOT NULL OR phone IS NOT NULL OR anonymous_id IS NOT NULL
UNION ALL
SELECT source, 'cart' AS entity, cart_key AS record_key, customer_key, email, phone, anonymous_id, created_at, created_at AS seen_at
FROM carts_as_of
WHERE customer_key IS NOT NULL OR email IS NOT NULL OR phone IS NOT NULL OR anonymous_id IS NOT NULL
