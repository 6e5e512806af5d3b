-- One row per (record, e-mail, phone, device) that orders and carts by the end of as_of name together: the record is their
-- customer, else the order or cart itself. Test orders, and those of nobody at all, are left out.
SELECT
    source, 'customer' AS entity, customer_key AS record_key, email, phone, anonymous_id,
    min(created_at) AS created_at, max(ordered_at) AS seen_at, count(*) AS times
FROM orders_as_of
WHERE customer_key IS NOT NULL
GROUP BY source, customer_key, email, phone, anonymous_id
UNION ALL
SELECT source, 'order', order_key, email, phone, anonymous_id, created_at, ordered_at, 1
FROM orders_as_of
WHERE customer_key IS NULL AND (email IS NOT NULL OR phone IS NOT NULL OR anonymous_id IS NOT NULL)
UNION ALL
SELECT
    source, 'customer', customer_key, email, phone, anonymous_id, min(created_at), max(created_at), count(*)
FROM carts_as_of
WHERE customer_key IS NOT NULL
GROUP BY source, customer_key, email, phone, anonymous_id
UNION ALL
SELECT source, 'cart', cart_key, email, phone, anonymous_id, created_at, created_at, 1
FROM carts_as_of
WHERE customer_key IS NULL AND (email IS NOT NULL OR phone IS NOT NULL OR anonymous_id IS NOT NULL)
