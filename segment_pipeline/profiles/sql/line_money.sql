-- One row per line of goods bought by the end of as_of, given back ones off: sold lines on the sale's day, returned lines on the
-- day of the order they give back, or their own where none is named.
SELECT
    CASE WHEN l.net < 0 THEN g.given_by ELSE g.profile_id END AS profile_id,
    CASE WHEN l.net < 0 THEN g.given_on ELSE g.ordered_on END AS ordered_on,
    l.source, l.product_key,
    g.sold AND l.is_markdown AS is_markdown,
    l.net_base - CASE WHEN g.sold THEN coalesce(r.refunded, 0) ELSE 0 END AS spend,
    CASE WHEN g.sold THEN l.net_base - coalesce(r.refunded, 0) ELSE 0 END AS sold,
    CASE WHEN g.sold THEN 1 ELSE 0 END AS sold_lines
FROM order_lines AS l
JOIN (
    SELECT source, order_key, updated_at, TRUE AS sold, profile_id, ordered_on, profile_id AS given_by, ordered_on AS given_on
    FROM sales
    UNION ALL
    SELECT
        p.source, p.order_key, p.updated_at, FALSE, o.profile_id, p.ordered_on,
        CASE WHEN p.linked THEN b.profile_id ELSE o.profile_id END,
        CASE WHEN p.linked THEN b.ordered_on ELSE p.ordered_on END
    FROM return_parts AS p
    LEFT JOIN order_persons AS o ON o.source = p.source AND o.order_key = p.order_key
    LEFT JOIN sales AS b ON b.source = p.source AND b.order_key = p.parent_order_key
) AS g ON g.source = l.source AND g.order_key = l.order_key AND g.updated_at = l.updated_at
LEFT JOIN (
    SELECT source, order_key, line_number, sum(amount_base) AS refunded
    FROM refunds_as_of
    WHERE line_number IS NOT NULL
    GROUP BY source, order_key, line_number
) AS r ON r.source = l.source AND r.order_key = l.order_key AND r.line_number = l.line_number
