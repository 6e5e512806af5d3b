-- One row per order of a person, by the end of as_of: by its customer, else by the order itself.
SELECT p.profile_id, o.*
FROM orders_as_of AS o
JOIN persons AS p
    ON p.source = o.source
    AND p.entity = CASE WHEN o.customer_key IS NULL THEN 'order' ELSE 'customer' END
    AND p.record_key = coalesce(o.customer_key, o.order_key)
