-- One row per (record, e-mail, phone, device) that orders and carts by the end of as_of name together: the record is their
-- customer, else the order or cart itself, with the name it says. Test orders, and those of nobody at all, are left out.
SELECT
    source, CASE WHEN customer_key IS NULL THEN 'order' ELSE 'customer' END AS entity,
    coalesce(customer_key, order_key) AS record_key, email, phone, anonymous_id,
    min(CASE WHEN customer_key IS NULL THEN first_name END) AS first_name, min(CASE WHEN customer_key IS NULL THEN last_name END) AS last_name,
    min(created_at) AS created_at, max(ordered_at) AS seen_at, count(*) AS times
FROM orders_as_of
WHERE coalesce(customer_key, email, phone, anonymous_id) IS NOT NULL
GROUP BY
    source, CASE WHEN customer_key IS NULL THEN 'order' ELSE 'customer' END, coalesce(customer_key, order_key), email, phone, anonymous_id
UNION ALL
SELECT
    source, CASE WHEN customer_key IS NULL THEN 'cart' ELSE 'customer' END, coalesce(customer_key, cart_key), email, phone, anonymous_id,
    min(CASE WHEN customer_key IS NULL THEN first_name END), min(CASE WHEN customer_key IS NULL THEN last_name END),
    min(created_at), max(created_at), count(*)
FROM carts_as_of
WHERE coalesce(customer_key, email, phone, anonymous_id) IS NOT NULL
GROUP BY
    source, CASE WHEN customer_key IS NULL THEN 'cart' ELSE 'customer' END, coalesce(customer_key, cart_key), email, phone, anonymous_id
