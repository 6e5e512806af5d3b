-- One row per (person, product, markdown, window) of goods bought by the end of as_of, given back ones off: sold lines on the sale's
-- day, returned lines on the day of the order they give back, or their own where none is named.
SELECT
    profile_id, source, product_key, is_markdown, ordered_on,
    sum(spend) AS spend,
    sum(sold) AS sold,
    sum(sold_lines) AS sold_lines
FROM (
    SELECT
        s.profile_id, l.source, l.product_key, l.is_markdown, s.ordered_on,
        l.net_base - coalesce(r.refunded, 0) AS spend,
        l.net_base - coalesce(r.refunded, 0) AS sold,
        1 AS sold_lines
    FROM sales AS s
    JOIN order_lines AS l ON l.source = s.source AND l.order_key = s.order_key AND l.updated_at = s.updated_at
    LEFT JOIN (
        SELECT source, order_key, line_number, sum(amount_base) AS refunded
        FROM refunds_as_of
        WHERE line_number IS NOT NULL
        GROUP BY source, order_key, line_number
    ) AS r ON r.source = l.source AND r.order_key = l.order_key AND r.line_number = l.line_number
    UNION ALL
    SELECT
        CASE WHEN l.net < 0 AND p.linked THEN b.profile_id ELSE o.profile_id END,
        l.source, l.product_key, FALSE,
        CASE WHEN l.net < 0 AND p.linked THEN b.ordered_on ELSE p.ordered_on END,
        l.net_base, 0, 0
    FROM return_parts AS p
    JOIN order_lines AS l ON l.source = p.source AND l.order_key = p.order_key AND l.updated_at = p.updated_at
    LEFT JOIN order_persons AS o ON o.source = p.source AND o.order_key = p.order_key
    LEFT JOIN sales AS b ON b.source = p.source AND b.order_key = p.parent_order_key
) AS moved
WHERE profile_id IS NOT NULL
GROUP BY profile_id, source, product_key, is_markdown, ordered_on
