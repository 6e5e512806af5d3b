-- One row per order held in more than one version: its version of the end of as_of, or the earliest held after it, and whose and
-- where it is known to be by then: a customer, store or order that is gone at its source is gone from newer versions too, and what
-- was known stays. `is_shared`: they are versions of several orders, whose keys have one number.
SELECT
    c.order_no,
    min(c.source) AS source,
    min(c.source) <> max(c.source) OR min(c.order_key) <> max(c.order_key) AS is_shared,
    coalesce(max(c.updated_at) FILTER (WHERE c.day <= $as_of), min(c.updated_at)) AS updated_at,
    max_by(c.customer_key, c.updated_at) FILTER (WHERE c.day <= $as_of AND c.customer_key IS NOT NULL) AS customer_key,
    max_by(c.customer_no, c.updated_at) FILTER (WHERE c.day <= $as_of AND c.customer_no IS NOT NULL) AS customer_no,
    max_by(c.store_key, c.updated_at) FILTER (WHERE c.day <= $as_of AND c.store_key IS NOT NULL) AS store_key,
    max_by(c.parent_order_key, c.updated_at) FILTER (WHERE c.day <= $as_of AND c.parent_order_key IS NOT NULL) AS parent_order_key
FROM order_versions AS c
JOIN revised_orders AS r ON r.order_no = c.order_no
GROUP BY c.order_no
