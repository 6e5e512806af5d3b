-- One row per order made by the end of as_of, test orders left out: the version of that day, or the earliest held after it.
-- A customer key that names nobody is none: the order is a guest's.
SELECT
    o.* EXCLUDE (customer_key, customer_no, store_key, parent_order_key),
    CASE WHEN n.customer_no IS NULL THEN coalesce(o.customer_key, v.customer_key) END AS customer_key,
    CASE WHEN n.customer_no IS NULL THEN coalesce(o.customer_no, v.customer_no) END AS customer_no,
    coalesce(o.store_key, v.store_key) AS store_key,
    coalesce(o.parent_order_key, v.parent_order_key) AS parent_order_key,
    o.day > $as_of AS back_projected
FROM order_versions AS o
LEFT JOIN revised_versions AS v ON v.order_no = o.order_no
LEFT JOIN nameless_keys AS n ON n.customer_no = coalesce(o.customer_no, v.customer_no)
WHERE o.ordered_on <= $as_of AND o.status <> 'test' AND (v.updated_at IS NULL OR v.updated_at = o.updated_at)
