-- One row per refund made by the end of as_of: the version of that day, or the earliest held after it. What an order's versions tell is
-- as the version of the order that counts says: of what it tells no more, nothing was given back.
SELECT
    f.order_no, f.line_number, f.refunded_at, f.refunded_on, f.amount, coalesce(f.goods, f.amount) AS goods, f.quantity
FROM refund_versions AS f
LEFT JOIN revised_versions AS o
    ON o.order_no = CASE WHEN f.told_with_order THEN f.order_no END
LEFT JOIN (
    SELECT
        c.source, c.refund_key,
        coalesce(max(c.updated_at) FILTER (WHERE c.day <= $as_of), min(c.updated_at)) AS updated_at
    FROM refund_versions AS c
    JOIN revised_refunds AS r ON r.source = c.source AND r.refund_key = c.refund_key
    GROUP BY c.source, c.refund_key
) AS v ON v.source = f.source AND v.refund_key = f.refund_key
WHERE f.refunded_on <= $as_of AND coalesce(o.updated_at, v.updated_at, f.updated_at) = f.updated_at
