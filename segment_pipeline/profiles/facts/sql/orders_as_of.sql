-- One row per order made by the end of as_of, test orders left out: the version of that day, or the earliest held after it.
SELECT
    o.*,
    o.day > $as_of AS back_projected
FROM order_versions AS o
LEFT JOIN revised_versions AS v ON v.source = o.source AND v.order_key = o.order_key
WHERE o.ordered_on <= $as_of AND o.status <> 'test' AND (v.updated_at IS NULL OR v.updated_at = o.updated_at)
