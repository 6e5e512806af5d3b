-- One row per refund made by the end of as_of: the version of that day, or the earliest held after it.
SELECT f.source, f.order_key, f.line_number, f.refunded_on, f.amount_base
FROM refunds AS f
JOIN (
    SELECT
        source, refund_key,
        coalesce(max(updated_at) FILTER (WHERE day <= $as_of), min(updated_at)) AS updated_at
    FROM refunds
    WHERE refunded_on <= $as_of
    GROUP BY source, refund_key
) AS v ON v.source = f.source AND v.refund_key = f.refund_key AND v.updated_at = f.updated_at
WHERE f.refunded_on <= $as_of
