-- One row per order of a person, by the end of as_of: by its customer, else by the order itself.
SELECT p.profile_id, o.*
FROM orders_as_of AS o
JOIN persons AS p
    ON p.entity = CASE WHEN o.customer_no IS NULL THEN 'order' ELSE 'customer' END
    AND p.key_no = coalesce(o.customer_no, o.order_no)
